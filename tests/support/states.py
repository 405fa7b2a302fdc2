"""A zone in each state in which an administrator can find its pages, in three sizes.

    states.build("blocked", devices=3_000)

The zone has six Primary Servers and nine satellites. The names of devices can be as long as names
can be.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from typing import Any

from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.models import Device, Role
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.browser import scenes
from tests.support import factories

S, A, F = OperationState, AssignmentState, FutureState
SIZES = (0, 14, 3_000)
BATCH = 500
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# With these, each cell of a table is as full as it can be.
LONG_NAME = "zen-managed-device-of-the-research-department-in-northern-bavaria"[:60]
LONG_REASON = (
    "Content 0123456789ab... is not available on any content server. "
    "zen-ps-berlin.acme.example is not responding: timed out."
)
LONG_ACTION = "Wait for the content to replicate, then redeploy the update to this device."


def build(state: str, *, devices: int = 14, has_long_names: bool = False) -> Operation | None:
    """Create a zone in a state of STATES. Return its operation, None without one."""
    operation = STATES[state]()
    add_devices(devices, operation, has_long_names=has_long_names)
    return operation


def add_devices(count: int, operation: Operation | None, *, has_long_names: bool = False) -> None:
    """Add managed devices, with assignments of the update of an operation in all states."""
    now = factories.now()
    root = Authority.objects.get(state=AuthorityState.CURRENT).sha256
    name = LONG_NAME if has_long_names else "pc"
    made = Device.objects.bulk_create(
        [
            Device(
                name=f"{name}-{number:04}"[-64:],
                role=Role.MANAGED,
                fqdn=f"{name}-{number:04}.acme.example",
                addresses=[f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"],
                state="registered",
                last_contact=now - (3 * DAY if number % 40 == 3 else number % 60 * HOUR / 60),
                registered_at=now - DAY,
                version="0.1.0",
                os="Windows 11 Enterprise multi-session" if has_long_names else "Linux",
                root_sha256=root,
            )
            for number in range(count)
        ],
        batch_size=BATCH,
    )
    update = operation.update if operation is not None else None
    if update is not None and update.assigned_at is not None:
        _assign(update, made, has_activated=operation is not None and bool(operation.activated_at))


def _assign(update: SystemUpdate, devices: list[Device], *, has_activated: bool) -> None:
    before = (A.APPLIED, A.APPLIED, A.ASSIGNED, A.DOWNLOADING, A.FAILED, A.APPLYING, A.PENDING)
    after = (A.ACTIVATED, A.ACTIVATED, A.ACTIVATED, A.NEEDS_CRT, A.FAILED, A.IGNORED)
    texts = {"reason": LONG_REASON, "action": LONG_ACTION}
    Assignment.objects.bulk_create(
        [
            Assignment(
                update=update,
                device=device,
                state=state,
                changed_at=factories.now(),
                attempt=2,
                **(texts if state == A.FAILED else {}),
            )
            for device, state in zip(devices, cycle(after if has_activated else before))
        ],
        batch_size=BATCH,
    )


def _before() -> None:
    scenes.rest(devices=0)


def _expired() -> None:
    scenes.rest(devices=0, ca_days=-2)


def _waiting_for_certificates() -> Operation:
    """Change CA to an external CA: the servers wait for what an administrator imports."""
    ca = scenes.rest(devices=0)
    external = factories.authority(
        name="ACME External Issuing CA 2026",
        kind=Authority.Kind.EXTERNAL,
        state=AuthorityState.FUTURE,
    )
    operation = factories.operation(
        ca,
        state=S.ASSIGNED,
        kind=Operation.Kind.CHANGE_CA,
        name="Change CA 2026-11-23 10:00:00",
        future_authority=external,
    )
    _set_update(operation, UpdateState.ASSIGNED)
    kinds = cycle((F.CSR_GENERATED, F.UPLOADED, F.AWAITED, F.CSR_FAILED))
    for server, kind in zip(Device.objects.certified().order_by("name"), kinds, strict=False):
        values: dict[str, Any] = {"authority": external}
        if kind in (F.CSR_GENERATED, F.UPLOADED):
            values["csr_pem"] = "csr"
        if kind == F.UPLOADED:
            values["chain_pem"] = factories.leaf_pem(server, external)
        if kind == F.CSR_FAILED:
            values |= {"reason": LONG_REASON, "action": LONG_ACTION}
        factories.future(operation, server, kind, **values)
    return operation


def _remint(state: str, **values: Any) -> Operation:
    operation = scenes.remint(state, devices=0, **values)
    _set_update(operation, UpdateState.ASSIGNED)
    return operation


def _during() -> Operation:
    return _remint(S.ASSIGNED)


def _frozen() -> Operation:
    return _remint(S.ACTIVATING, activates_in=timedelta(minutes=5))


def _blocked() -> Operation:
    reason = (
        "2 of 14 servers do not have a new certificate: zen-ps-lyon, sat-auth-porto. The readiness "
        "policy requires all servers."
    )
    return _remint(S.BLOCKED, activates_in=-HOUR, reason=reason, action=LONG_ACTION)


def _canceled() -> Operation:
    operation = _remint(S.CANCELED, ended_at=factories.now())
    _set_update(operation, UpdateState.CANCELED)
    operation.futures.update(state=F.DISCARDED)
    Assignment.objects.filter(update=operation.update_id).update(state=A.CANCELED)
    return operation


def _rolled_back() -> Operation:
    now = factories.now()
    operation = _remint(S.ROLLED_BACK, activated_at=now - HOUR, ended_at=now, activates_in=-HOUR)
    _set_update(operation, UpdateState.CANCELED)
    operation.futures.update(state=F.DISCARDED)
    return operation


def _completed() -> Operation:
    now = factories.now()
    operation = _remint(S.COMPLETED, activated_at=now - HOUR, ended_at=now, activates_in=-HOUR)
    _set_update(operation, UpdateState.COMPLETED)
    old = operation.authority
    assert old is not None
    Authority.objects.filter(pk=old.pk).update(state=AuthorityState.GRACE, grace_until=now + DAY)
    new = factories.authority(old.certificate_server, name="ACME-ZONE", since=now - HOUR)
    Authority.objects.filter(pk=new.pk).update(activated_at=now - HOUR)
    Operation.objects.filter(pk=operation.pk).update(future_authority=new)
    FutureCertificate.objects.filter(operation=operation).update(state=F.ACTIVE)
    return Operation.objects.get(pk=operation.pk)


def _set_update(operation: Operation, state: str) -> None:
    update = operation.update
    assert update is not None
    update.state, update.assigned_at = state, factories.now() - HOUR
    update.save()


STATES: dict[str, Callable[[], Operation | None]] = {
    "before": _before,
    "waiting for certificates": _waiting_for_certificates,
    "during": _during,
    "frozen": _frozen,
    "blocked": _blocked,
    "canceled": _canceled,
    "rolled back": _rolled_back,
    "completed": _completed,
    "expired": _expired,
}


def list_pages(operation: Operation | None) -> list[str]:
    """Return the paths of the pages whose content depends on the state."""
    certificates = "/configuration/certificates/"
    paths = ["/", certificates, f"{certificates}operations/", f"{certificates}trust/"]
    paths += ["/devices/", "/system-updates/"]
    if operation is not None:
        paths += [
            f"{certificates}operations/{operation.pk}/",
            f"/system-updates/{operation.update_id}/devices/",
        ]
    return paths
