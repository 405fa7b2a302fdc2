"""The overview on Home: expirations of the next year, numbers and contact of devices, events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from audit.entries.subjects import EntryRow, build_rows
from audit.models import Entry
from certificates.models import Authority, ServerCertificate
from certificates.operations.states import AuthorityState
from certificates.summaries.zone import ZoneSummary
from console.pages import tables
from devices.models import Device, Role

MONTHS = 12
CONTACT_DAYS = 7
MAX_EVENTS = 8


@dataclass
class Month:
    """What expires in one calendar month of the user's time zone."""

    first: datetime
    servers: int = 0
    authorities: int = 0

    @property
    def is_empty(self) -> bool:
        """Return True if nothing expires in this month."""
        return not (self.servers or self.authorities)


@dataclass(frozen=True)
class ContactGroup:
    """The number of registered devices whose last contact was on one day, or before."""

    label: str
    devices: int


def list_months(now: datetime) -> list[Month]:
    """Return the next twelve calendar months with the certificates that expire in each."""
    months = _build_months(timezone.localtime(now))
    end = months[-1].first + timedelta(days=31)
    servers = ServerCertificate.objects.current().filter(
        device__state="registered", not_after__gt=now, not_after__lt=end
    )
    authorities = Authority.objects.filter(
        state__in=(AuthorityState.CURRENT, AuthorityState.GRACE),
        not_after__gt=now,
        not_after__lt=end,
    )
    by_server = Counter(map(_get_month, servers.values_list("not_after", flat=True)))
    by_authority = Counter(map(_get_month, authorities.values_list("not_after", flat=True)))
    for month in months:
        key = (month.first.year, month.first.month)
        month.servers, month.authorities = by_server[key], by_authority[key]
    return months


def _build_months(now: datetime) -> list[Month]:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return [Month(_add_months(first, number)) for number in range(MONTHS)]


def _add_months(first: datetime, number: int) -> datetime:
    years, month = divmod(first.month - 1 + number, 12)
    return first.replace(year=first.year + years, month=month + 1)


def _get_month(moment: datetime) -> tuple[int, int]:
    local = timezone.localtime(moment)
    return local.year, local.month


def count_contacts(now: datetime, stored: ZoneSummary | None) -> list[ContactGroup]:
    """Return the registered devices by the day of their last contact, today first.

    `stored` are the numbers of a large zone. Days are those of the user's time zone.
    """
    today = timezone.localtime(now).date()
    days = [today - timedelta(days=number) for number in range(CONTACT_DAYS)]
    begins = [timezone.make_aware(datetime.combine(day, time.min)) for day in days]
    day_format = pgettext("date format", "D j M")
    labels = [_("Today"), _("Yesterday"), *(date_format(day, day_format) for day in days[2:])]
    labels += [_("Earlier"), _("Never")]
    if stored is not None:
        counts = [
            stored.count_contacts(*span) for span in zip(begins, [None, *begins], strict=False)
        ]
        earlier = stored.earlier + sum(n for _at, n in stored.contacts) - sum(counts)
        numbers_by_label = zip(labels, [*counts, earlier, stored.never], strict=True)
        return [ContactGroup(label, n) for label, n in numbers_by_label]
    groups = {labels[0]: Q(last_contact__gte=begins[0])}
    for label, begin, end in zip(labels[1:-2], begins[1:], begins, strict=False):
        groups[label] = Q(last_contact__gte=begin, last_contact__lt=end)
    groups[labels[-2]] = Q(last_contact__lt=begins[-1])
    groups[labels[-1]] = Q(last_contact=None)
    numbers = tables.count_by_condition(Device.objects.registered().order_by(), groups)
    return [ContactGroup(label, numbers[label]) for label in groups]


def list_last_events() -> list[EntryRow]:
    """Return the newest entries of the audit log in words."""
    return build_rows(Entry.objects.order_by("-seq")[:MAX_EVENTS])


@dataclass(frozen=True)
class DeviceCounts:
    """The registered devices: all, and those that are no Primary Servers.

    `unknown_roots` are those that trust a root that the zone never issued.
    """

    devices: int
    others: int
    unknown_roots: int


def count_devices(counts: list[tuple[str, str, int, int]]) -> DeviceCounts:
    """Return the numbers of registered devices, from those by role and version."""
    return DeviceCounts(
        devices=sum(n for _role, _version, n, _unknown in counts),
        others=sum(n for role, _version, n, _unknown in counts if role != Role.PRIMARY),
        unknown_roots=sum(unknown for _role, _version, _n, unknown in counts),
    )
