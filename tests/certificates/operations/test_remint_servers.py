"""Remint Certificate using the agent API: only the selected servers are changed (manual, 1.3.2)."""

import pytest

from certificates.models import Authority, FutureCertificate
from certificates.operations.states import OperationState
from systemupdates.models import Assignment
from tests.support import walkthrough
from wire import messages


@pytest.mark.manual("R179")
def test_a_server_remint_is_assigned_to_its_servers_only(zone):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    zone.join("pc-01")
    walkthrough.sign(zone, Authority.objects.current())
    initial = FutureCertificate.objects.get(device=second.guid)
    second.refresh(server_certificate_sha256=initial.digest)
    zone.first.refresh()
    operation = walkthrough.remint_servers(second)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    assert operation.state == OperationState.ASSIGNED
    assigned = Assignment.objects.filter(update=operation.update)
    assert list(assigned.values_list("device__name", flat=True)) == ["ps-02"]
    assert list(operation.futures.values_list("device__name", flat=True)) == ["ps-02"]
    assert not zone.first.refresh()["updates"]
