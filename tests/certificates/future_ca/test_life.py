"""A subordinate CA that has expired, and one that is rolled back (D-296)."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from certificates.models import Authority
from certificates.operations import rollback
from certificates.operations.states import AuthorityState, OperationState
from certificates.trust import roots
from tests.certificates.future_ca.test_key_operations import CORPORATE, change, finish
from tests.support import walkthrough
from tests.support.zone import TestZone


def test_an_expired_subordinate_ca_is_replaced_as_soon_as_the_chain_is_imported(
    zone: TestZone,
) -> None:
    current = finish(zone, change(zone))
    rows = Authority.objects.filter(pk=current.pk)
    rows.update(not_after=timezone.now() - timedelta(days=1))
    operation = walkthrough.remint_ca(common_name="Zone CA 2", activates_at=None)
    assert operation.immediate
    assert walkthrough.prepare(zone, operation) == ["ps-01 create_future_ca"]
    assert walkthrough.fresh(operation).awaits_ca_certificate
    walkthrough.import_ca(operation, CORPORATE)
    assert walkthrough.prepare(zone, operation) == ["ps-01 sign_trusted_root", "ps-01 publish"], (
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
