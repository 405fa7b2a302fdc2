"""The list of devices: its columns and filters, and counts of devices without recent contact."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from console.pages.listing import Table
from console.pages.tables import Column, count_by_condition
from devices.inventory.agent_versions import with_older_agent
from devices.models import Device, DeviceSummary, Role, Zone, get_contact_limit
from devices.registration.states import DeviceState

WITHOUT_CONTACT = "no-contact"
# Deprecated value of the filter, accepted for one release.
OLD_WITHOUT_CONTACT = "silent"
WAITING = "waiting"
UNKNOWN_ROOT = "unknown-root"
OLDER_AGENT = "older-agent"
ROLE_GROUPS = tuple(role.value for role in Role)
# The name of the stored numbers of a large zone (D-305).
STORED_GROUPS = "devices"
DEVICES = Table(
    "devices",
    (
        Column("name", _("Device"), "name"),
        Column("address", _("Address"), "fqdn"),
        Column("state", _("Status"), "state"),
        Column("contact", _("Last contact"), "last_contact"),
        Column("root", _("Trusted root"), "root_sha256"),
        Column("agent", _("Version"), "version"),
        Column("os", _("Operating system"), "os"),
        Column("registered", _("Registered"), "registered_at"),
    ),
    (
        (_("Device"), lambda device: device.name),
        (_("Role"), lambda device: device.get_role_display()),
        (_("Address"), lambda device: device.fqdn),
        (_("IP addresses"), lambda device: device.addresses),
        (_("Status"), lambda device: device.get_state_display()),
        (_("Last contact"), lambda device: device.last_contact),
        (_("Trusted root"), lambda device: device.root_sha256),
        (_("Version"), lambda device: device.version),
        (_("Operating system"), lambda device: device.os),
        (_("Registered"), lambda device: device.registered_at),
    ),
    fixed="name",
)


def without_contact(refresh: timedelta, now: datetime) -> Q:
    """Return the condition for registered devices that are not online."""
    no_contact = Q(last_contact__lte=now - get_contact_limit(refresh)) | Q(last_contact=None)
    return no_contact & Q(state=DeviceState.REGISTERED)


def with_unknown_root() -> Q:
    """Return the condition for registered devices that trust a root the zone never issued."""
    return ~Q(unknown_roots="") & Q(state=DeviceState.REGISTERED)


def count_groups(refresh: timedelta, now: datetime) -> dict[str, int]:
    """Return the number of devices in each group that `filter_devices` accepts."""
    conditions = {role: Q(role=role) for role in ROLE_GROUPS}
    conditions[WITHOUT_CONTACT] = without_contact(refresh, now)
    conditions[WAITING] = Q(state=DeviceState.WAITING)
    conditions[UNKNOWN_ROOT] = with_unknown_root()
    conditions[OLDER_AGENT] = with_older_agent()
    every = Device.objects.exclude(state=DeviceState.RETIRED)
    return count_by_condition(every, conditions)


def get_groups(refresh: timedelta, now: datetime) -> tuple[dict[str, int], datetime | None]:
    """Return the numbers of `count_groups`, and when they were counted if they are stored."""
    found = DeviceSummary.objects.find_recent(STORED_GROUPS, now=now)
    if found is None:
        return count_groups(refresh, now), None
    return dict(found.content), found.taken_at


def filter_devices(
    devices: QuerySet[Device], *, q: str, group: str, refresh: timedelta, now: datetime
) -> QuerySet[Device]:
    """Return the devices of a group that match a search.

    `group` is a role, WITHOUT_CONTACT, WAITING, UNKNOWN_ROOT, OLDER_AGENT, or "" for all devices.
    """
    if group in Role.values:
        devices = devices.filter(role=group)
    elif group in (WITHOUT_CONTACT, OLD_WITHOUT_CONTACT):
        devices = devices.filter(without_contact(refresh, now))
    elif group == WAITING:
        devices = devices.filter(state=DeviceState.WAITING)
    elif group == UNKNOWN_ROOT:
        devices = devices.filter(with_unknown_root())
    elif group == OLDER_AGENT:
        devices = devices.filter(with_older_agent())
    if not q:
        return devices
    return devices.filter(
        Q(name__icontains=q)
        | Q(fqdn__icontains=q)
        | Q(addresses__icontains=q)
        | Q(root_sha256__istartswith=q.replace(":", ""))
    )


def count_devices_missing(
    zone: Zone, activates_at: datetime, now: datetime, servers: list[UUID] | None = None
) -> int:
    """Count the devices that are offline or refresh next only after the activation.

    Counts only `servers` if they are given, otherwise all devices.
    """
    refreshes_late = Q(last_contact__gt=activates_at - zone.refresh)
    is_offline = without_contact(zone.refresh, now)
    devices = Device.objects.registered().filter(refreshes_late | is_offline)
    return (devices if servers is None else devices.filter(pk__in=servers)).count()


def count_devices_without_contact(zone: Zone, now: datetime) -> int:
    """Count the registered devices without contact for more than two refresh intervals."""
    return Device.objects.filter(without_contact(zone.refresh, now)).count()
