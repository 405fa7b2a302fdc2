"""Store the settings of the pilot group, and load them.

See: D-276
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.models import Operation, PilotSettings
from devices.models import Device, Role
from faults import Invalid
from wire.messages import CERTIFIED_ROLES

RIGHT = "devices.change_zone"
# Roles without a server certificate. Servers that need one always receive the update first.
ROLES = (Role.CONTENT_SATELLITE, Role.MANAGED)
MAX_MEMBERS = 1000
MAX_PERCENT = 100
MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS = 60, 30 * 86_400
DEFAULT_TIMEOUT_SECONDS = 86_400
SUBJECT = "certificates.PilotSettings"


@dataclass(frozen=True)
class PilotGroup:
    """The settings of the pilot group. `names` are names of devices."""

    is_on: bool = False
    names: Sequence[str] = ()
    roles: Sequence[str] = ()
    count: int = 0
    percent: int = MAX_PERCENT
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS

    def check(self) -> None:
        """Raise Invalid for the first value that is not valid."""
        if len(self.names) > MAX_MEMBERS or not 0 <= self.count <= MAX_MEMBERS:
            field = "count" if len(self.names) <= MAX_MEMBERS else "devices"
            raise _invalid(_("A pilot group can have up to %d devices.") % MAX_MEMBERS, field)
        if not set(self.roles) <= set(ROLES):
            raise _invalid(_("A role is not known, or has server certificates."), "roles")
        if not 1 <= self.percent <= MAX_PERCENT:
            raise _invalid(_("The percentage must be between 1 and 100."), "percent")
        if not MIN_TIMEOUT_SECONDS <= self.timeout_seconds <= MAX_TIMEOUT_SECONDS:
            raise _invalid(
                _("The time limit must be between one minute and 30 days."), "timeout_seconds"
            )
        if self.names and (self.roles or self.count):
            raise _invalid(_("Enter either names, or roles and a number of devices."), "devices")
        if self.is_on and not (self.names or self.roles or self.count):
            raise _invalid(_("Enter names, roles, or a number of devices."), "devices")


def _invalid(explanation: str, field: str) -> Invalid:
    return Invalid(f"{explanation} {_('Nothing was changed.')}", field=field)


def get_group() -> PilotGroup:
    """Return the settings of the pilot group. It is off if they were never saved."""
    row = PilotSettings.objects.first()
    if row is None:
        return PilotGroup()
    named = Device.objects.filter(pk__in=row.devices).order_by("name")
    names = tuple(named.values_list("name", flat=True)) if row.devices else ()
    return PilotGroup(
        row.is_on, names, tuple(row.roles), row.count, row.percent, row.timeout_seconds
    )


def get_pilot_time() -> timedelta:
    """Return how long the other devices of a new CA can wait for the pilot group.

    Zero without a pilot group. The time is only suggested, so the MAC of the row is not needed.
    """
    row = PilotSettings.objects.first()
    if row is None or not row.is_on:
        return timedelta()
    return timedelta(seconds=row.timeout_seconds)


def get_remaining_pilot_time(operation: Operation, now: datetime) -> timedelta:
    """Return how long the other devices of an operation can still wait for its pilot group."""
    if not operation.is_held_by_pilot:
        return timedelta()
    until = datetime.fromisoformat(operation.parameters["pilot"]["until"])
    return max(timedelta(), until - now)


@transaction.atomic
def save_group(group: PilotGroup) -> PilotGroup:
    """Save the settings of the pilot group. Raises Invalid, or RowAltered.

    They apply to operations whose update is assigned afterward.
    """
    group.check()
    devices = _find_devices(group.names)
    checkpoint = Entry.objects.lock_checkpoint()
    row = PilotSettings.objects.first()
    before = _describe(row.check_row_mac()) if row is not None else {}
    row = row or PilotSettings(pk=1)
    row.is_on, row.roles, row.count = group.is_on, list(group.roles), group.count
    row.devices = sorted(str(device.pk) for device in devices)
    row.percent, row.timeout_seconds = group.percent, group.timeout_seconds
    row.save()
    detail = {"before": before, "after": _describe(row)}
    Entry.objects.append(checkpoint, "save-pilot-group", f"{SUBJECT}:{row.pk}", detail=detail)
    return get_group()


def _find_devices(names: Sequence[str]) -> list[Device]:
    """Return the registered devices with these names. Raises Invalid for other names."""
    found = list(Device.objects.registered().filter(name__in=names)) if names else []
    unknown = sorted(set(names) - {device.name for device in found})
    if unknown:
        raise _invalid(_("No registered device is named %s.") % unknown[0], "devices")
    servers = sorted(device.name for device in found if device.role in CERTIFIED_ROLES)
    if servers:
        text = _("%s has a server certificate. Such servers always receive the update first.")
        raise _invalid(text % servers[0], "devices")
    return found


def _describe(row: PilotSettings) -> dict[str, Any]:
    # The IDs of up to 1000 devices would make the entry too large.
    values = {name: getattr(row, name) for name in row.authenticated_fields}
    return values | {"devices": len(row.devices)}
