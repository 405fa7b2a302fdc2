"""The summary of the devices of a zone: the numbers that Home and the Devices list show.

See: D-305
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.db.models import Count, Q
from django.db.models.functions import TruncMinute

from devices.inventory import agent_versions, tables
from devices.models import Device, DeviceSummary, Zone
from systemupdates.models import Assignment
from systemupdates.updates.states import ERRORS, UPDATE_CLOSED

NAME = "zone"
MAX_CLOCK_SKEW_SECONDS = 60
"""A device whose clock differs more may activate noticeably early or late."""
# The day of a last contact begins at a multiple of this time in every time zone.
STEP = timedelta(minutes=15)
CONTACT_DAYS = 8


@dataclass(frozen=True)
class ZoneSummary:
    """Numbers of registered devices, counted `at` a time.

    `roles` has the numbers by role and version, each with that of devices that trust an unknown
    root. `contacts` has those by the time of the last contact, in steps of 15 minutes and in UTC,
    `earlier` before them, and `never`.
    `first_wrong_clock` is the key of the first device, by name, with a wrong clock.
    """

    at: str
    roles: list[tuple[str, str, int, int]]
    contacts: list[tuple[str, int]]
    earlier: int
    never: int
    without_contact: int
    wrong_clocks: int
    first_wrong_clock: str
    failed_updates: int

    @classmethod
    def count(cls, zone: Zone, now: datetime) -> Self:
        """Return the numbers, counted now."""
        devices = Device.objects.registered().order_by()
        since = _get_first_step(now)
        clocks = devices.filter(with_wrong_clock())
        first = clocks.order_by("name").values_list("pk", flat=True).first()
        return cls(
            at=now.isoformat(),
            roles=count_by_version(),
            contacts=_count_contacts(since),
            earlier=devices.filter(last_contact__lt=since).count(),
            never=devices.filter(last_contact=None).count(),
            without_contact=tables.count_devices_without_contact(zone, now),
            wrong_clocks=clocks.count(),
            first_wrong_clock=str(first or ""),
            failed_updates=count_failed_updates(),
        )

    @property
    def counted_at(self) -> datetime:
        """Return when the devices were counted."""
        return datetime.fromisoformat(self.at)

    def count_contacts(self, begin: datetime, end: datetime | None = None) -> int:
        """Return how many devices had their last contact from `begin` on and before `end`.

        Both are on steps of 15 minutes. `begin` is in the last week.
        """
        found = [(datetime.fromisoformat(text), n) for text, n in self.contacts]
        return sum(n for at, n in found if begin <= at and (end is None or at < end))


def _get_first_step(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(days=CONTACT_DAYS)


def _count_contacts(since: datetime) -> list[tuple[str, int]]:
    """Return the number of devices by the step of their last contact."""
    devices = Device.objects.registered().order_by().filter(last_contact__gte=since)
    minutes: Any = devices.annotate(minute=TruncMinute("last_contact", tzinfo=UTC))
    numbers: Counter[datetime] = Counter()
    for at, n in minutes.values_list("minute").annotate(n=Count("*")):
        numbers[at - timedelta(minutes=at.minute % (STEP.seconds // 60))] += n
    return [(at.isoformat(), n) for at, n in sorted(numbers.items())]


def count_by_version() -> list[tuple[str, str, int, int]]:
    """Return the numbers by role and version: all, and those that trust an unknown root."""
    rows: Any = Device.objects.registered().order_by().values_list("role", "version")
    unknown = Count("pk", filter=tables.with_unknown_root())
    return list(rows.annotate(n=Count("pk"), unknown=unknown))


def get_roles(zone: Zone, now: datetime) -> list[tuple[str, str, int, int]]:
    """Return the numbers by role and version, and read them once for the object of a request."""
    stored = find_of(zone, now)
    if stored is not None:
        return stored.roles
    if not hasattr(zone, "device_versions"):
        zone.device_versions = count_by_version()
    found: list[tuple[str, str, int, int]] = zone.device_versions
    return found


def count_older_agents(zone: Zone, now: datetime) -> int:
    """Return the number of registered devices whose agent is older than this console."""
    roles = get_roles(zone, now)
    return sum(n for _role, version, n, _unknown in roles if agent_versions.is_older(version))


def with_wrong_clock() -> Q:
    """Return the condition for devices whose clock is wrong."""
    limit = MAX_CLOCK_SKEW_SECONDS
    return Q(clock_skew_seconds__gt=limit) | Q(clock_skew_seconds__lt=-limit)


def get_failed() -> Any:
    """Return the failed assignments of updates that are still offered."""
    return Assignment.objects.filter(
        state__in=ERRORS, device__state="registered", update__deleted_at=None
    ).exclude(update__state__in=UPDATE_CLOSED)


def count_failed_updates() -> int:
    """Return the number of devices on which an update has failed."""
    number: int = get_failed().order_by().values("device").distinct().count()
    return number


def find_of(zone: Zone, now: datetime) -> ZoneSummary | None:
    """Return the stored numbers, and read them once for the object of a request."""
    if not hasattr(zone, "stored_summary"):
        zone.stored_summary = find(now)
    found: ZoneSummary | None = zone.stored_summary
    return found


def find(now: datetime) -> ZoneSummary | None:
    """Return the stored numbers, None in a small zone."""
    found = DeviceSummary.objects.find_recent(NAME, now=now)
    return None if found is None else ZoneSummary(**found.content)


def count_without_contact(zone: Zone, now: datetime) -> int:
    """Return the number of devices without recent contact: the stored one, or counted now."""
    stored = find_of(zone, now)
    if stored is not None:
        return stored.without_contact
    return tables.count_devices_without_contact(zone, now)


def is_due(now: datetime) -> bool:
    """Return True if the numbers have to be counted again."""
    return DeviceSummary.objects.is_due(NAME, now=now)


def store(zone: Zone, now: datetime) -> None:
    """Count the devices, and store the numbers of Home and of the Devices list."""
    groups = tables.count_groups(zone.refresh, now)
    devices = sum(groups[role] for role in tables.ROLE_GROUPS)
    save = DeviceSummary.objects.store
    save(tables.STORED_GROUPS, groups, devices=devices, now=now)
    save(NAME, asdict(ZoneSummary.count(zone, now)), devices=devices, now=now)


def find_device(key: str) -> Device | None:
    """Return a device by the key in stored numbers, None if it was deleted."""
    return Device.objects.filter(pk=UUID(key)).first() if key else None
