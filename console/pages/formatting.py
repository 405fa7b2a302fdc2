"""Moments and spans as an administrator reads them: in the user's zone, with its offset (D-5).

Lengths of time as an administrator writes them: 90 seconds, 15 min, 12 h, 3 days.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

SOON = timedelta(days=90)
"""From here on an expiry is warned about (D-46)."""
MINUTE, HOUR, DAY = 60, 3600, 86_400


def abbreviation(moment: datetime) -> str:
    """Return the short name of the zone at that moment, such as CET or UTC+04:00."""
    local = timezone.localtime(moment)
    name = local.strftime("%Z")
    return name if name and name[0].isalpha() else f"UTC{offset(moment)}"


def offset(moment: datetime) -> str:
    """Return the offset from UTC at that moment, such as +01:00."""
    text = timezone.localtime(moment).strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def stamp(moment: datetime) -> str:
    """Return date, time to the minute and zone, such as 12 Dec 2026, 02:00 CET."""
    return f"{day(moment)}, {clock(moment)}"


def day(moment: datetime) -> str:
    """Return the date in the user's zone, such as 12 Dec 2026."""
    return date_format(timezone.localtime(moment), "j M Y")


def clock(moment: datetime) -> str:
    """Return the time of day with its zone, such as 02:00 CET."""
    return f"{date_format(timezone.localtime(moment), 'H:i')} {abbreviation(moment)}"


def full(moment: datetime) -> str:
    """Return the moment to the second, with offset and in UTC."""
    local = timezone.localtime(moment)
    text = date_format(local, "j F Y, H:i:s")
    utc = moment.astimezone(UTC)
    return f"{text} {abbreviation(moment)} (UTC{offset(moment)}) · {utc:%Y-%m-%d %H:%M:%S} UTC"


def span(length: timedelta) -> str:
    """Return a length of time in its greatest whole unit, rounded down: 17 days, 5 hours."""
    seconds = max(0, int(length.total_seconds()))
    if seconds >= DAY:
        n = seconds // DAY
        return ngettext("%(n)d day", "%(n)d days", n) % {"n": n}
    if seconds >= HOUR:
        n = seconds // HOUR
        return ngettext("%(n)d hour", "%(n)d hours", n) % {"n": n}
    if seconds >= MINUTE:
        n = seconds // MINUTE
        return ngettext("%(n)d minute", "%(n)d minutes", n) % {"n": n}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, or how far ahead it is."""
    # What was heard while a page was made is not ahead of it.
    if moment - now >= timedelta(seconds=1):
        return _("in %s") % span(moment - now)
    return _("%s ago") % span(now - moment)


def expiry(not_after: datetime, now: datetime) -> tuple[str, str]:
    """Return how an expiry stands ("", "soon" or "bad") and its words."""
    if now > not_after:
        return "bad", _("expired %s ago") % span(now - not_after)
    if not_after - now < SOON:
        return "soon", _("in %s") % span(not_after - now)
    return "", ""


SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
PART = re.compile(
    r"(\d{1,9})\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d|weeks?|w)\b\s*(?:and\s+|,\s*)?"
)
UNITS = ("d", "h", "m", "s")


def parse(text: str) -> int:
    """Return the seconds of a written length of time; raises ValueError."""
    rest, total = text.strip().lower(), 0
    if not rest:
        raise ValueError(text)
    while rest:
        found = PART.match(rest)
        if found is None:
            raise ValueError(text)
        total += int(found[1]) * SECONDS[found[2][0]]
        rest = rest[found.end() :]
    return total


def words(seconds: int) -> str:
    """Return a length of time without rounding, such as 1 day 12 hours."""
    found = []
    for unit in UNITS:
        n, seconds = divmod(seconds, SECONDS[unit])
        if n:
            found.append(_word(unit, n))
    return " ".join(found) or _word("s", 0)


def _word(unit: str, n: int) -> str:
    texts = {
        "d": ngettext("%(n)d day", "%(n)d days", n),
        "h": ngettext("%(n)d hour", "%(n)d hours", n),
        "m": ngettext("%(n)d minute", "%(n)d minutes", n),
        "s": ngettext("%(n)d second", "%(n)d seconds", n),
    }
    return texts[unit] % {"n": n}


class DurationField(forms.CharField):
    """A length of time; its value is in seconds, None where it may be empty and is."""

    default_error_messages: ClassVar = {
        "unread": gettext_lazy("Write a number and a unit, such as 90 seconds, 12 hours or 3 days.")
    }

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        self.least, self.most = least, most
        super().__init__(max_length=60, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return seconds as words; what was typed stays as it is."""
        return words(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        """Return the seconds; the error says what can be written, or what the range is."""
        text = super().clean(value)
        if not text:
            return None
        try:
            seconds = parse(text)
        except ValueError as error:
            raise forms.ValidationError(self.error_messages["unread"], code="unread") from error
        if not self.least <= seconds <= self.most:
            raise forms.ValidationError(between(self.least, self.most), code="range")
        return seconds


def between(least: int, most: int) -> str:
    """Return the range of a length of time in words."""
    return _("From %(least)s to %(most)s.") % {"least": words(least), "most": words(most)}
