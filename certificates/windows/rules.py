"""When a maintenance window is open: recurrence rules, change freezes, and the next opening.

A window is stored as the lines DTSTART, DURATION, and RRULE of an iCalendar event. Its start is a
local time in the time zone of the zone. Its length is exact, so a window ends an hour later or
earlier by the clock when the clocks change while it is open.

See: RFC 5545 3.3.5, 3.3.6, 3.3.10, and 3.8.5.3; D-273
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from dateutil.rrule import rrulebase, rrulestr
from django.utils.translation import gettext as _

from faults import Invalid

HORIZON = timedelta(days=3 * 366)
"""How far ahead an opening is searched."""
MIN_LENGTH, MAX_LENGTH = timedelta(minutes=15), timedelta(days=7)
MAX_TEXT = 300
# All times since the first start are calculated, so it must not be long ago.
YEARS = range(2020, 2100)
LOCAL = "%Y%m%dT%H%M%S"
# BYMONTH and BYSETPOS could describe days that never come, and searching for one takes long.
PARTS = ("FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "COUNT", "UNTIL", "WKST")
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY")
_VALUE = re.compile(r"[A-Z0-9+,-]{1,60}")
_START = re.compile(r"\d{8}T\d{6}")
_UNTIL = re.compile(r"\d{8}(T\d{6})?")
_INTERVAL = re.compile(r"[1-9]\d?")
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,2})W|(?:(?P<days>\d{1,2})D)?"
    r"(?:T(?:(?P<hours>\d{1,3})H)?(?:(?P<minutes>\d{1,4})M)?)?)"
)


@dataclass(frozen=True)
class Window:
    """A maintenance window: name, first start by the local clock, length, and recurrence."""

    name: str
    starts: datetime
    length: timedelta
    recurrence: rrulebase

    def list_times(self, after: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
        """Yield begin and end, in UTC, of each time that ends after a time, up to HORIZON."""
        # A day more, because local times and UTC differ.
        local = after.astimezone(zone).replace(tzinfo=None) - self.length - timedelta(days=1)
        for start in self.recurrence.xafter(local, inc=True):
            # A time that the clocks skip is read with the offset before it (RFC 5545 3.3.5).
            begin = start.replace(tzinfo=zone).astimezone(UTC)
            if begin > after + HORIZON:
                return
            if begin + self.length > after:
                yield begin, begin + self.length


@dataclass(frozen=True)
class Freeze:
    """A change freeze: nothing is activated from `begins_at` until before `ends_at`."""

    begins_at: datetime
    ends_at: datetime
    reason: str = ""


@dataclass(frozen=True)
class Opening:
    """A time in which certificates may be activated. `ends_at` is None if nothing ends it.

    `name` is the name of the window, or "" if only change freezes restrict activations.
    """

    begins_at: datetime
    ends_at: datetime | None = None
    name: str = ""


@dataclass(frozen=True)
class Schedule:
    """All windows and change freezes of a zone. Without windows, every time is open.

    `is_closed`: a window or change freeze was altered in the database, so that no time is open
    until an administrator has decided about the row.
    """

    zone: tzinfo
    windows: Sequence[Window] = ()
    freezes: Sequence[Freeze] = ()
    is_closed: bool = False

    @property
    def restricts(self) -> bool:
        """Return True if not every time is open."""
        return bool(self.windows or self.freezes or self.is_closed)

    def is_open(self, at: datetime) -> bool:
        """Return True if certificates may be activated at this time."""
        opening = self.find_opening(at)
        return opening is not None and opening.begins_at <= at

    def get_freeze(self, at: datetime) -> Freeze | None:
        """Return the change freeze at this time that ends last."""
        found = [freeze for freeze in self.freezes if freeze.begins_at <= at < freeze.ends_at]
        return max(found, key=lambda freeze: freeze.ends_at, default=None)

    def find_opening(self, after: datetime) -> Opening | None:
        """Return the opening at this time, or the next one. None if there is none in HORIZON.

        An opening that has begun begins at `after`.
        """
        at = after
        while not self.is_closed and at <= after + HORIZON:
            freeze = self.get_freeze(at)
            if freeze is not None:
                at = freeze.ends_at
                continue
            found = self._find_window(at)
            if found is None or found.begins_at == at:
                return found and self._end_at_freeze(found)
            at = found.begins_at
        return None

    def _find_window(self, at: datetime) -> Opening | None:
        """Return the window that is open at a time, or else the one that opens next."""
        if not self.windows:
            return Opening(at)
        found = []
        for window in self.windows:
            times = next(window.list_times(at, self.zone), None)
            if times is not None:
                found.append(Opening(max(times[0], at), times[1], window.name))
        # Of several open windows, the one that stays open the longest.
        return min(found, key=lambda one: (one.begins_at, _negate(one.ends_at)), default=None)

    def _end_at_freeze(self, opening: Opening) -> Opening:
        begins = [one.begins_at for one in self.freezes if one.begins_at > opening.begins_at]
        ends = [one for one in (opening.ends_at, *begins) if one is not None]
        return Opening(opening.begins_at, min(ends, default=None), opening.name)


def _negate(at: datetime | None) -> float:
    return -at.timestamp() if at is not None else 0.0


def parse_window(name: str, text: str) -> Window:
    """Return the window that the lines DTSTART, DURATION, and RRULE describe. Raises Invalid."""
    lines = dict(line.strip().partition(":")[::2] for line in text.splitlines() if line.strip())
    if len(text) > MAX_TEXT or set(lines) != {"DTSTART", "DURATION", "RRULE"}:
        raise invalid_rule(_("The rule does not have the lines DTSTART, DURATION, and RRULE."))
    starts = _parse_start(lines["DTSTART"])
    return Window(
        name=name,
        starts=starts,
        length=_parse_length(lines["DURATION"]),
        recurrence=_parse_recurrence(lines["RRULE"], starts),
    )


def _parse_start(text: str) -> datetime:
    with suppress(ValueError):
        starts = datetime.fromisoformat(text)
        if _START.fullmatch(text) and starts.year in YEARS:
            return starts
    raise invalid_rule(_("DTSTART is not a local time in the form 20261205T220000."))


def invalid_rule(explanation: str) -> Invalid:
    """Return the fault for a rule that is not accepted."""
    return Invalid(
        f"{explanation} {_('Nothing was changed.')}",
        action=_("Example: DTSTART:20261205T220000, DURATION:PT4H, RRULE:FREQ=WEEKLY;BYDAY=SA"),
        field="rule",
    )


def _parse_length(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    parts = {
        key: int(value) for key, value in (match.groupdict() if match else {}).items() if value
    }
    length = timedelta(**parts)
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise invalid_rule(_("DURATION is not a length from 15 minutes (PT15M) to 7 days (P7D)."))
    return length


def _parse_recurrence(text: str, starts: datetime) -> rrulebase:
    pairs = [part.partition("=")[::2] for part in text.split(";")]
    parts = dict(pairs)
    if len(parts) != len(pairs) or not set(parts) <= set(PARTS):
        raise invalid_rule(_("RRULE contains other parts than %s.") % ", ".join(PARTS))
    if parts.get("FREQ") not in FREQUENCIES:
        raise invalid_rule(_("FREQ is not one of %s.") % ", ".join(FREQUENCIES))
    is_valid = all(_VALUE.fullmatch(value) for value in parts.values())
    is_valid = is_valid and bool(_UNTIL.fullmatch(parts.get("UNTIL", "20261205")))
    is_valid = is_valid and not {"COUNT", "UNTIL"} <= set(parts)
    if not is_valid or not _INTERVAL.fullmatch(parts.get("INTERVAL", "1")):
        raise invalid_rule(_("A part of RRULE has an invalid value."))
    try:
        rule = rrulestr(f"RRULE:{text}", dtstart=starts)
        first = next(iter(rule), None)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise invalid_rule(_("A part of RRULE has an invalid value.")) from error
    if first is None:
        raise invalid_rule(_("RRULE describes no day."))
    return rule
