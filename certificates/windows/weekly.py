"""Windows on days of the week, which pages and zman show and enter without a rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.utils.translation import gettext_lazy

from certificates.windows.rules import LOCAL, Schedule, parse_window
from faults import Invalid

WEEKDAYS = (
    ("MO", gettext_lazy("Monday")),
    ("TU", gettext_lazy("Tuesday")),
    ("WE", gettext_lazy("Wednesday")),
    ("TH", gettext_lazy("Thursday")),
    ("FR", gettext_lazy("Friday")),
    ("SA", gettext_lazy("Saturday")),
    ("SU", gettext_lazy("Sunday")),
)
_WEEKLY = re.compile(
    r"DTSTART:\d{8}T(?P<opens>\d{6})\nDURATION:(?P<length>\w+)\n"
    r"RRULE:FREQ=WEEKLY;BYDAY=(?P<days>[A-Z]{2}(?:,[A-Z]{2})*)"
)


def build_weekly_rule(days: Sequence[str], opens: datetime, minutes: int) -> str:
    """Return the rule of a window on some days of the week.

    `days` are some keys of WEEKDAYS, `opens` is the first day and the local time, and `minutes` is
    the length.
    """
    chosen = ",".join(day for day, _label in WEEKDAYS if day in days)
    hours, rest = divmod(minutes, 60)
    length = f"PT{f'{hours}H' if hours else ''}{f'{rest}M' if rest else ''}"
    return f"DTSTART:{opens:{LOCAL}}\nDURATION:{length}\nRRULE:FREQ=WEEKLY;BYDAY={chosen}"


def parse_weekly_rule(name: str, text: str) -> tuple[list[str], time, time] | None:
    """Return the days and the times of a rule from `build_weekly_rule`, None for another rule."""
    match = _WEEKLY.fullmatch(text)
    if match is None:
        return None
    window = parse_window(name, text)
    if window.length > timedelta(days=1):
        return None
    return match["days"].split(","), window.starts.time(), (window.starts + window.length).time()


@dataclass(frozen=True)
class WindowDescription:
    """What a page shows of a window: its days or rule, its times, and when it is open next."""

    days: str
    times: str
    next_time: tuple[datetime, datetime] | None


def describe_window(name: str, rule: str, schedule: Schedule, now: datetime) -> WindowDescription:
    """Return the description of a window, also if its rule is not valid."""
    try:
        window = parse_window(name, rule)
    except Invalid:
        return WindowDescription(rule, "", None)
    weekly = parse_weekly_rule(name, rule)
    next_time = next(window.list_times(now, schedule.zone), None)
    if weekly is None:
        return WindowDescription(rule.splitlines()[-1], "", next_time)
    days, opens, closes = weekly
    names = dict(WEEKDAYS)
    shown = ", ".join(str(names[day]) for day in days)
    return WindowDescription(shown, f"{opens:%H:%M}–{closes:%H:%M}", next_time)
