"""Zones in the states that the pages must show well."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from certificates.models import Authority, Operation
from certificates.operations.states import FutureState, OperationState
from devices.models import Device, Role
from systemupdates.models import Replica, RolloutSample
from systemupdates.updates.states import AssignmentState, ReplicaState, UpdateState
from tests.support import factories

PRIMARIES = ("zen-ps-01", "zen-ps-02", "zen-ps-03", "zen-ps-berlin", "zen-ps-lyon", "zen-ps-oslo")
SATELLITES = (
    *("sat-auth-hamburg", "sat-auth-bergen", "sat-auth-porto", "sat-auth-brno", "sat-auth-lodz"),
    *("sat-auth-gent", "sat-auth-turku", "sat-auth-split"),
)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def rest(*, devices: int = 12, ca_days: int = 3000) -> Authority:
    """A zone at rest, with one expired and two expiring certificates."""
    factories.zone("ACME-ZONE")
    now = factories.now()
    servers = [factories.server(name) for name in PRIMARIES]
    servers += [factories.server(name, Role.AUTHENTICATION_SATELLITE) for name in SATELLITES]
    factories.server("sat-content-kyiv", Role.CONTENT_SATELLITE)
    ca = factories.authority(servers[0], name="ACME-ZONE", until=now + ca_days * DAY)
    ends = {"zen-ps-oslo": -2.5, "sat-auth-porto": 17.5, "zen-ps-03": 20.5}
    for server in servers:
        until = now + ends.get(server.name, 0) * DAY if server.name in ends else None
        factories.certificate(server, ca, until=until)
    Device.objects.update(root_sha256=ca.sha256)
    for number in range(devices):
        silent = now - 3 * DAY if number == 3 else now
        factories.device(f"pc-{number:03}", last_contact=silent, root_sha256=ca.sha256)
    return ca


def remint(
    state: str = OperationState.REPLICATING, *, devices: int = 12, **values: Any
) -> Operation:
    """A Remint CA in some state, with servers and devices at different points."""
    ca = rest(devices=devices)
    operation = factories.operation(ca, state=state, **values)
    update = operation.update
    if update is None:
        return operation
    content = Device.objects.content_servers()
    for number, server in enumerate(content):
        copied = number < 4 or state != OperationState.REPLICATING
        factories.replica(
            update, server, ReplicaState.AVAILABLE if copied else ReplicaState.PENDING
        )
    for number, server in enumerate(Device.objects.certified()):
        states = (FutureState.CREATED, FutureState.AWAITED)
        future = factories.future(operation, server, states[number % 2])
        if number % 2 == 0:
            future.chain_pem = factories.leaf_pem(server, ca)
            future.save()
    failed = Device.objects.get(name="zen-ps-lyon").futures.get()
    failed.state, failed.reason = FutureState.CREATE_FAILED, "The CSR names no DNS name."
    failed.action = "Set the FQDN on the Settings tab, then redeploy."
    failed.save()
    if state in (OperationState.REPLICATING, OperationState.PREPARING):
        return operation
    update.state, update.assigned_at = UpdateState.ASSIGNED, factories.now()
    update.save()
    every = (
        AssignmentState.APPLIED,
        AssignmentState.ASSIGNED,
        AssignmentState.FAILED,
        AssignmentState.ACTIVATED,
        AssignmentState.APPLYING,
        AssignmentState.PENDING,
    )
    for number, device in enumerate(Device.objects.registered()):
        state_of = every[number % len(every)]
        said = "The content could not be fetched." if state_of == AssignmentState.FAILED else ""
        factories.assignment(
            update, device, state_of, reason=said, attempt=2, changed_at=factories.now()
        )
    return operation


def rest_with_update() -> Operation:
    """A zone at rest whose last update has been activated on some of its 27 devices."""
    operation = remint(OperationState.COMPLETED, ended_at=factories.now())
    Device.objects.update(version="1.0.0")
    return operation


def rollout() -> Operation:
    """An assigned update in the middle of its rollout: chart, failures, content in every state."""
    operation = remint(OperationState.ASSIGNED)
    update = operation.update
    assert update is not None
    begin = factories.now() - 3 * HOUR
    update.assigned_at = begin
    update.files = [{"name": "ca.cert", "sha256": "ab" * 32, "size": 720}]
    update.save()
    for n in range(1, 30):
        counts = {"trusted": n // 3, "activated": 0, "failed": n // 10, "of": 27}
        RolloutSample.objects.create(update=update, at=begin + n * HOUR / 10, counts=counts)
    states: tuple[dict[str, Any], ...] = (
        {"state": ReplicaState.REPLICATING, "progress": 40},
        {"state": ReplicaState.FAILED, "reason": "10.0.0.7 does not answer: timed out."},
        {"state": ReplicaState.EXCLUDED},
        {"tool_sha256": "cd" * 32},
    )
    for replica, changes in zip(update.replicas.order_by("-server__name"), states, strict=False):
        Replica.objects.filter(pk=replica.pk).update(**changes)
    Device.objects.filter(role=Role.PRIMARY).update(port=8443)
    return operation
