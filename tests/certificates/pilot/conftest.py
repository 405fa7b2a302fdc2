"""A zone with a pilot group, and what its devices report."""

from __future__ import annotations

from typing import Any

import pytest

from certificates.models import Operation
from certificates.operations import preparation
from certificates.operations.states import OperationState
from certificates.pilot.settings import PilotGroup, save_group
from tests.support import walkthrough
from tests.support.walkthrough import fresh, step
from tests.support.zone import Host, TestZone
from wire import messages
from wire.update_messages import PASSED, PreflightReport, PreflightResult

NAMES = ("pc-1", "pc-2", "pc-3", "pc-4")


def set_pilot(*names: str, **changes: Any) -> PilotGroup:
    """Turn the pilot group on, with devices by name."""
    return save_group(PilotGroup(is_on=True, names=names, **changes))


def assigned(zone: TestZone, **changes: Any) -> Operation:
    """Return a Remint CA whose update is assigned and which has a certificate for each server."""
    operation = walkthrough.remint_ca(**changes)
    while preparation.prepare(operation, now=operation.created_at):
        pass
    walkthrough.replicate(zone, operation)
    assert step(operation).state == OperationState.ASSIGNED
    for host in walkthrough.primaries(zone):
        host.refresh()
        host.request_certificate(str(fresh(operation).update_id))
        host.report(str(fresh(operation).update_id), messages.APPLIED)
    walkthrough.sign(zone, fresh(operation).future_authority)
    return step(operation)


def apply(operation: Operation, host: Host, code: str = PASSED) -> None:
    """Let a device apply the update, and report its preflight check."""
    update = str(operation.update_id)
    host.report(update, messages.APPLIED)
    check(operation, host, code)


def check(operation: Operation, host: Host, code: str) -> None:
    """Report the preflight check of the first Primary Server."""
    server = str(operation.signing_server_id)
    report = PreflightReport([PreflightResult(server, code, "why")], at=0.0)
    answer = host.send("POST", f"/zac/v1/updates/{operation.update_id}/preflight", report)
    assert answer.status_code == 204, answer.content


def gets_update(host: Host) -> bool:
    """Return True if the console offers an update to a device."""
    return bool(host.refresh().get("updates"))


@pytest.fixture
def devices(zone):
    """Four managed devices that were in contact."""
    hosts = [zone.join(name, address=f"127.9.1.{number}") for number, name in enumerate(NAMES)]
    for host in hosts:
        host.refresh()
    return hosts
