"""A subordinate CA that has expired, is rolled back, or is in a restored database (D-296)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.issuance import integrity
from certificates.models import Authority, Operation
from certificates.operations import rollback
from certificates.operations.states import AuthorityState, OperationState
from certificates.trust import roots
from tests.certificates.agents.test_update_states import report_all, run
from tests.certificates.future_ca.test_key_operations import CORPORATE, change, finish
from tests.certificates.operations.test_rollback import process_rollback
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from tests.support.zone import TestZone

KINDS = ["remint", "subordinate", "internal", "external"]
OTHER = PublicCA("Other")


def start(zone: TestZone, kind: str, **changes: Any) -> Operation:
    """Start an operation that replaces a subordinate CA: Remint CA, or Change CA to a kind."""
    zone.first.refresh()
    if kind == "remint":
        return walkthrough.remint_ca(common_name="Zone CA 2", **changes)
    if kind == "internal":
        return walkthrough.to_internal(zone.first, **changes)
    if kind == "external":
        return walkthrough.to_external(OTHER, **changes)
    return walkthrough.to_subordinate(zone.first, subject="CN=Zone CA 2", **changes)


def prepare(zone: TestZone, operation: Operation) -> list[str]:
    """Prepare an operation, and import the chain of its new CA if it waits for it."""
    done = walkthrough.prepare(zone, operation)
    if walkthrough.fresh(operation).awaits_ca_certificate:
        walkthrough.import_ca(operation, OTHER)
        done += walkthrough.prepare(zone, operation)
    return done


def replace(zone: TestZone, kind: str) -> Operation:
    """Replace a subordinate CA, and return the completed operation."""
    operation = start(zone, kind)
    prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.apply(zone, walkthrough.step(operation))
    new = walkthrough.fresh(operation).future_authority
    assert new is not None
    if kind == "external":
        walkthrough.import_all(walkthrough.fresh(operation), OTHER)
    else:
        walkthrough.sign(zone, new)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state == OperationState.COMPLETED, operation.reason
    return operation


@pytest.mark.parametrize("kind", KINDS)
def test_an_expired_subordinate_ca_is_replaced_as_soon_as_the_chain_is_imported(
    zone: TestZone, kind: str
) -> None:
    current = finish(zone, change(zone))
    rows = Authority.objects.filter(pk=current.pk)
    rows.update(not_after=timezone.now() - timedelta(days=1))
    operation = start(zone, kind, activates_at=None)
    assert operation.immediate
    waits = [] if kind in ("internal", "external") else ["sign_trusted_root"]
    steps = ["create_future_ca", *waits, "publish"]
    assert prepare(zone, operation) == [f"ps-01 {step}" for step in steps], (
        "an expired CA does not sign cross-certificates"
    )
    assert walkthrough.step(operation).state == OperationState.ASSIGNED


def test_a_change_to_a_subordinate_ca_is_rolled_back(zone: TestZone) -> None:
    operation = change(zone)
    new = finish(zone, operation)
    operation = walkthrough.fresh(operation)
    rollback.roll_back(operation, now=timezone.now())
    current = Authority.objects.current()
    assert current == operation.authority
    assert not current.is_subordinate
    new.refresh_from_db()
    assert new.state == AuthorityState.GRACE
    trust = roots.build_trust()
    assert trust.current == current.root_pem
    assert CORPORATE.root.pem not in roots.build_roots_pem()


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_replaced_a_subordinate_ca_is_rolled_back(zone: TestZone, kind: str) -> None:
    before = finish(zone, change(zone))
    operation = replace(zone, kind)
    new = Authority.objects.current()
    assert new != before
    rollback.roll_back(operation, now=timezone.now())
    current = Authority.objects.current()
    assert (current, current.is_subordinate) == (before, True)
    assert current.intermediates_pem == before.intermediates_pem
    trust = roots.build_trust()
    assert trust.current == before.root_pem
    assert new.root_pem in trust.in_grace
    process_rollback(zone, operation)
    assert walkthrough.step(operation).state == OperationState.ROLLED_BACK
    assert walkthrough.verified_by([before.root_pem], [CORPORATE.root.pem]) == [True, True]


@pytest.mark.parametrize("stage", ["replicating", "assigned", "certified", "activated"])
def test_a_change_to_a_subordinate_ca_completes_after_a_restore(zone: TestZone, stage: str) -> None:
    """The database is restored from a backup of a stage that the hosts have left behind."""
    operation = change(zone)
    walkthrough.import_ca(operation, CORPORATE)
    backup, served = run(zone, operation, stage)
    new = Authority.objects.current()
    backup.restore()
    assert walkthrough.fresh(operation).state != OperationState.COMPLETED
    for _ in range(6):
        report_all(zone, operation, served)
        walkthrough.step(operation, minutes=12)
    assert walkthrough.fresh(operation).state == OperationState.COMPLETED
    current = Authority.objects.current()
    assert (current, current.root_pem) == (new, new.root_pem)
    assert current.intermediates_pem == new.intermediates_pem
    assert list(integrity.list_findings(timezone.now() + timedelta(hours=2))) == []
