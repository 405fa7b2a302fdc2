"""Devices that register with a key and the name of a device that is in contact.

A registration key is known to every device that was installed with it. So a device in contact is
taken over only with its own secret, with a key that was made for it, or after an administrator has
released it.

See: D-124; D-141
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from audit.chain import actor
from audit.models import Entry
from devices.models import Device, Role, Zone
from devices.registration.approval import Approval
from devices.registration.states import LEFT, DeviceState
from faults import Conflict
from wire import messages

RELEASE_DURATION = timedelta(hours=24)
MAX_BASE_NAME = 56


def can_take_over(
    device: Device, *, proven: Device | None, approval: Approval, now: datetime
) -> bool:
    """Return True if a registration with a key can reuse the row of a device with its name."""
    if device.state != DeviceState.REGISTERED or (proven is not None and proven.pk == device.pk):
        return True
    if device.role == Role.MANAGED and not approval.approves:
        # The registered device would be waiting for approval instead.
        return False
    if approval.is_for_device:
        return True
    if device.released_until is not None and now < device.released_until:
        return True
    return not device.is_online(now, Zone.objects.get_zone().refresh)


def get_second_row(device: Device, request: messages.RegisterRequest, *, key: str) -> Device:
    """Return the row "NAME (2)" that is waiting for a decision. The device is not changed."""
    second = device.replacements.filter(state=DeviceState.WAITING).first()
    if second is None:
        second = Device(name=_find_name(device.name), role=request.role, replaces=device)
    address = actor.current().address
    Entry.objects.record(
        "registered-again",
        f"devices.Device:{device.pk}",
        note=f"{device.name} was re-registered with a key from {address}",
        detail={"key": key, "address": address, "waiting": second.name},
    )
    return second


def _find_name(name: str) -> str:
    alive = Device.objects.exclude(state=DeviceState.RETIRED)
    base = name[:MAX_BASE_NAME]
    taken = set(alive.filter(name__startswith=f"{base} (").values_list("name", flat=True))
    number = 2
    while f"{base} ({number})" in taken:
        number += 1
    return f"{base} ({number})"


@transaction.atomic
def release(device: Device, *, now: datetime) -> None:
    """Allow another device to take over this name with a registration key for 24 hours."""
    Entry.objects.lock_checkpoint()
    row = Device.objects.select_for_update().get(pk=device.pk)
    if row.state in LEFT:
        raise Conflict(
            _("%(device)s has left the zone. Nothing was changed.") % {"device": row.name}
        )
    Device.objects.filter(pk=row.pk).update(released_until=now + RELEASE_DURATION)
    Entry.objects.record("release", f"devices.Device:{row.pk}", note=row.name)


def check_replacement(device: Device) -> Device:
    """Return the device that a waiting device replaces. Raise Conflict if there is none."""
    if device.state != DeviceState.WAITING or device.replaces is None:
        raise Conflict(
            _("%(device)s is not waiting to replace a device. Nothing was changed.")
            % {"device": device.name}
        )
    old = device.replaces
    alive = Device.objects.exclude(state=DeviceState.RETIRED).exclude(pk=old.pk)
    if alive.filter(name=old.name).exists():
        raise Conflict(
            _("Another device with the name %(name)s has registered since. Nothing was changed.")
            % {"name": old.name},
            action=_("Reject this device, or approve it with its own name."),
        )
    return old


def retire_second_rows(device: Device) -> None:
    """Retire the devices that are waiting to replace a device that has just been taken over.

    They were compared with the device before, and must register again.
    """
    for second in device.replacements.filter(state=DeviceState.WAITING):
        Device.objects.transition(second, DeviceState.RETIRED, note=second.name)


def take_settings(device: Device, old: Device) -> None:
    """Give a device the name, settings, and satellites of the retired device that it replaces."""
    Device.objects.filter(pk=device.pk).update(
        name=old.name,
        replaces=None,
        dns_names=old.dns_names,
        replication_seconds=old.replication_seconds,
        bandwidth_kib=old.bandwidth_kib,
        replicates=old.replicates,
        needs_certificate=bool(old.dns_names) and device.is_certified,
    )
    Device.objects.filter(parent=old).update(parent=device)
    Zone.objects.advance_revision()
    device.refresh_from_db()
