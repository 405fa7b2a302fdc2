"""Register, approve, unregister, and retire devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from audit.models import Entry
from devices.models import Device, Role, Zone
from devices.registration import approval as approvals
from devices.registration import (
    certificate_names,
    changes,
    keys,
    replacement,
    server_names,
    validation,
)
from devices.registration.approval import Approval
from devices.registration.states import DeviceState
from faults import Conflict, Refused
from wire import messages


@transaction.atomic
def register(
    request: messages.RegisterRequest,
    *,
    returning: Device | None,
    now: datetime,
    proven: Device | None = None,
) -> Device:
    """Register a device with a registration key, or a device that has proved to be `returning`.

    A key is valid for one role. A server must also be approved by an administrator unless the key
    approves servers automatically. A device with a known name reuses its row (re-imaged device),
    unless the known device is in contact. `proven` is the device whose secret came with a key.
    """
    validation.check_request(request)
    if returning is None:
        # Before the lock, so that requests with an invalid key do not delay others.
        keys.get_registration_key(request.key or "", request.role, request.name, now)
    else:
        validation.check_rate(returning, now)
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    if returning is None:
        device, approval = _use_key(request, proven=proven, now=now)
        validation.check_rate(device, now)
    else:
        _check_role(request, returning)
        device, approval = returning, approvals.decide_again(returning, request)
    _protect_server(device, request, approves=approval.approves)
    previous = device.state if device.registered_at else ""
    _set_fields(device, request, is_fixed=returning is not None, now=now)
    device.state = DeviceState.REGISTERED if approval.approves else DeviceState.WAITING
    device.outside_key = approval.outside_key
    _set_new_identity(device, now)
    device.save()
    if returning is None and proven is None:
        replacement.retire_second_rows(device)
    if device.role != Role.MANAGED:
        Zone.objects.advance_revision()
    Entry.objects.record(
        "register",
        f"devices.Device:{device.pk}",
        here=previous,
        there=device.state,
        note=device.name,
        detail={
            "role": device.role,
            "fqdn": device.fqdn,
            "addresses": device.addresses,
            **({"outside_key": device.outside_key} if device.outside_key else {}),
        },
    )
    return device


def _use_key(
    request: messages.RegisterRequest, *, proven: Device | None, now: datetime
) -> tuple[Device, Approval]:
    """Return the row for a registration with a key, and whether the key approves it."""
    key = keys.use_registration_key(request.key or "", request.role, request.name, now)
    validation.check_parent(request)
    device = _get_row(request)
    approval = approvals.decide(key, request, device, proven=proven)
    if device.registered_at and not replacement.can_take_over(
        device, proven=proven, approval=approval, now=now
    ):
        device = replacement.get_second_row(device, request, key=key.label)
        approval = Approval(approves=False, outside_key=approval.outside_key)
    return device, approval


def _set_new_identity(device: Device, now: datetime) -> None:
    """Give a device a new secret. Copies of it have the old one."""
    device.credential_epoch += 1
    device.counter = 0
    device.registered_at = now
    device.released_until = None
    device.copied_at, device.copied_address, device.copied_count = None, "", 0
    device.has_pending_work = True


def _check_role(request: messages.RegisterRequest, returning: Device) -> None:
    """Raise Conflict if a returning device requests a different role."""
    if returning.role != request.role:
        raise Conflict(
            _("%(returning)s is registered with a different role. Nothing was changed.")
            % {"returning": returning.name},
            action=_(
                "Retire the old device in the console, or use a registration key for the new role."
            ),
        )


def _protect_server(device: Device, request: messages.RegisterRequest, *, approves: bool) -> None:
    """Raise Conflict if an unapproved registration would replace a registered server.

    The keys of the registered server would be lost before an administrator can decide.
    """
    known = Device.objects.filter(pk=device.pk, state=DeviceState.REGISTERED)
    if device.role != Role.MANAGED and not approves and known.exists():
        raise Conflict(
            _("%(request)s is already a server in the zone. Nothing was changed.")
            % {"request": request.name},
            action=_(
                "Retire the old server in the console first, or use a "
                "registration key that approves its name and addresses automatically."
            ),
        )


def _get_row(request: messages.RegisterRequest) -> Device:
    alive = Device.objects.select_for_update().exclude(state=DeviceState.RETIRED)
    same = alive.filter(name=request.name).first()
    if same is None:
        return Device(name=request.name, role=request.role)
    if same.role != request.role:
        raise Conflict(
            _("%(request)s is registered with a different role. Nothing was changed.")
            % {"request": request.name},
            action=_("Choose a different name, or retire the old device in the console."),
        )
    return same


def _set_fields(
    device: Device, request: messages.RegisterRequest, *, is_fixed: bool, now: datetime
) -> None:
    """Set what a device reports. With `is_fixed`, a registered server requests changes only."""
    device.os, device.version = request.os[:100], request.agent[:40]
    device.features = list(request.features)
    device.initial_csr = request.csr or ""
    if is_fixed and device.role != Role.MANAGED and device.state == DeviceState.REGISTERED:
        changes.request_change(device, request, now=now)
        return
    # A second row has the names of the device that it is to replace.
    validation.check_names(request, device.replaces_id or device.pk)
    device.requested_change = {}
    changes.apply_values(device, changes.get_reported(request))


def get_retention_reason(device: Device) -> str:
    """Return why a device cannot be removed from the zone, "" if it can.

    The certificate server is found through the relation, because this app must not import the
    model of the authority.
    """
    relations: Any = device
    if relations.authorities.filter(state="current").exists():
        return _("%s is the zone's certificate server.") % device.name
    if device.role != Role.PRIMARY or device.state != DeviceState.REGISTERED:
        return ""
    if not Device.objects.primaries().exclude(pk=device.pk).exists():
        return _("%s is the only Primary Server in the zone.") % device.name
    return ""


def _check_can_leave(device: Device) -> None:
    reason = get_retention_reason(device)
    if reason:
        raise Refused(
            _("%(reason)s Nothing was changed.") % {"reason": reason},
            action=_(
                "Move the CA role to another Primary Server first. If this "
                "server is lost, restore the CA to another Primary Server."
            ),
        )


@transaction.atomic
def unregister(device: Device) -> None:
    """Unregister a device and invalidate its secret. The device can register again."""
    _remove(device, DeviceState.UNREGISTERED)


@transaction.atomic
def approve(device: Device, *, may_add_names: bool, epoch: int | None = None) -> None:
    """Approve a device that is waiting for approval, with its own name.

    `epoch` is the registration that the administrator has read. A later one is not approved.
    Raises Forbidden if its certificate needs new names and not `may_add_names`.
    """
    Zone.objects.lock()
    _check_epoch(device, epoch)
    if device.state != DeviceState.WAITING:
        raise Conflict(
            _("%(device)s is not waiting for approval. Nothing was changed.")
            % {"device": device.name}
        )
    if device.role != Role.MANAGED:
        server_names.check(server_names.ServerNames.of(device))
    change = certificate_names.find_change(device)
    certificate_names.approve_names(device, change, may_add_names=may_add_names)
    Device.objects.transition(
        device,
        DeviceState.REGISTERED,
        note=device.name,
        has_pending_work=True,
        replaces=None,
        outside_key={},
    )
    Zone.objects.advance_revision()


@transaction.atomic
def replace(device: Device, *, may_add_names: bool, epoch: int | None = None) -> None:
    """Retire the device whose name a waiting device registered with, and approve it instead."""
    Zone.objects.lock()
    _check_epoch(device, epoch)
    old = replacement.check_replacement(device)
    if old.state != DeviceState.RETIRED:
        _remove(old, DeviceState.RETIRED)
    replacement.take_settings(device, old)
    approve(device, may_add_names=may_add_names)


def _check_epoch(device: Device, epoch: int | None) -> None:
    device.refresh_from_db()
    if epoch is not None and device.credential_epoch != epoch:
        raise Conflict(
            _("%(device)s has registered again since. Nothing was changed.")
            % {"device": device.name},
            action=_("Reload the page, check the name and addresses, and decide again."),
        )


@transaction.atomic
def retire(device: Device) -> None:
    """Retire a device permanently and invalidate its secret."""
    _remove(device, DeviceState.RETIRED)


def _remove(device: Device, state: DeviceState) -> None:
    Zone.objects.lock()
    _check_can_leave(device)
    epoch = F("credential_epoch") + 1
    Device.objects.transition(device, state, note=device.name, credential_epoch=epoch)
    Zone.objects.advance_revision()


@transaction.atomic
def save_dns_names(device: Device, dns_names: list[str], *, may_add_names: bool) -> None:
    """Save the additional DNS names of a server, with an audit entry if they changed.

    Raises Forbidden for names that its certificate does not have unless `may_add_names`.
    """
    Zone.objects.lock()
    row = Device.objects.select_for_update().get(pk=device.pk)
    if row.dns_names == dns_names:
        return
    server_names.check(server_names.ServerNames.of(row, dns_names=tuple(dns_names)))
    added = certificate_names.find_added(row, dns_names)
    certificate_names.check_added(row, added, may_add_names=may_add_names)
    Device.objects.filter(pk=device.pk).update(dns_names=dns_names)
    Entry.objects.record(
        "device-settings",
        f"devices.Device:{device.pk}",
        note=device.name,
        detail={"dns_names": {"before": row.dns_names, "after": dns_names}},
    )


def take_refresh_requests() -> list[UUID]:
    """Return the Primary Servers whose agents must refresh now, and clear the requests."""
    found = list(Device.objects.asked_to_refresh().values_list("pk", flat=True))
    if found:
        Device.objects.filter(pk__in=found).update(refresh_requested=False)
    return found
