"""Devices with a TLS stack that rejects the new certificate: a warning, not a risk."""

from __future__ import annotations

from typing import Any

import pytest

from certificates.models import Operation
from certificates.trust import devices_at_risk, tls_stacks
from systemupdates.models import Assignment
from tests.support import factories, walkthrough
from tests.support.clients import log_in
from wire.records import to_plain
from wire.update_messages import PreflightReport, PreflightResult, StackResult

ACCEPTS = StackResult("s1", "curl", "ok", "8.5.0")
REJECTS = StackResult("s1", "gnutls", "refused", "3.7.9", "no issuer")
SENTENCE = "GnuTLS 3.7.9: new certificate rejected (no issuer)."


@pytest.fixture
def operation(zone):
    """Return an operation whose update has been assigned to the device pc-01."""
    zone.join("pc-01")
    made = walkthrough.remint_ca()
    walkthrough.prepare(zone, made)
    walkthrough.replicate(zone, made)
    walkthrough.step(made)
    walkthrough.apply(zone, made)
    return walkthrough.fresh(made)


def report(zone: Any, operation: Operation, *stacks: StackResult, name: str = "pc-01") -> None:
    sent = PreflightReport([PreflightResult("s1", "ok")], at=0.0, stacks=list(stacks))
    path = f"/zac/v1/updates/{operation.update_id}/preflight"
    assert zone.hosts[name].send("POST", path, sent).status_code == 204


def test_a_rejecting_stack_is_shown_on_the_pages_and_is_no_risk(
    zone: Any, operation: Operation
) -> None:
    report(zone, operation, ACCEPTS, REJECTS)
    client = log_in(factories.admin(), reauthenticated=False)
    for url in (
        f"/configuration/certificates/operations/{operation.pk}/",
        f"/devices/{zone.hosts['pc-01'].id}/",
    ):
        page = client.get(url).content.decode()
        assert SENTENCE in page
        assert "curl 8.5.0: new certificate accepted." in page
    found: Any = devices_at_risk.get_devices_by_risk(operation, zone.zone, factories.now())
    assert found.get(name="pc-01").status == ""
    assert devices_at_risk.count_trust(operation).refused == 0


def test_only_devices_with_a_rejecting_stack_are_counted(zone: Any, operation: Operation) -> None:
    assert tls_stacks.get_warnings(operation) is None
    report(zone, operation, ACCEPTS)
    assert tls_stacks.get_warnings(operation) is None
    report(zone, operation, REJECTS)
    found = tls_stacks.get_warnings(operation)
    assert found is not None
    assert (found.count, [one.device.name for one in found.first]) == (1, ["pc-01"])


def test_results_are_kept_when_a_later_report_has_none(zone: Any, operation: Operation) -> None:
    report(zone, operation, REJECTS)
    report(zone, operation)
    row = Assignment.objects.get(update=operation.update_id, device=zone.hosts["pc-01"].id)
    assert row.stack_results == [to_plain(REJECTS)]
