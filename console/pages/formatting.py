"""Dates and durations as text, in the time zone of the user, and durations as form fields.

See: D-5
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, npgettext, pgettext

SOON = timedelta(days=90)
"""Warn about certificates that expire within this time. See: D-46"""
MINUTE, HOUR, DAY = 60, 3600, 86_400


def abbreviation(moment: datetime) -> str:
    """Return the short name of the user's time zone, for example CET or UTC+04:00."""
    local = timezone.localtime(moment)
    name = local.strftime("%Z")
    return name if name and name[0].isalpha() else f"UTC{offset(moment)}"


def offset(moment: datetime) -> str:
    """Return the UTC offset of the user's time zone, for example +01:00."""
    text = timezone.localtime(moment).strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def stamp(moment: datetime) -> str:
    """Return date, time, and time zone, for example 12 Dec 2026, 02:00 CET."""
    return f"{day(moment)}, {clock(moment)}"


def exact(moment: datetime) -> str:
    """Return date and time with seconds, for example 12 Dec 2026, 02:00:07 CET."""
    clock_time = date_format(timezone.localtime(moment), "H:i:s")
    return f"{day(moment)}, {clock_time} {abbreviation(moment)}"


def day(moment: datetime) -> str:
    """Return the date, for example 12 Dec 2026."""
    return date_format(timezone.localtime(moment), pgettext("date format", "j M Y"))


def clock(moment: datetime) -> str:
    """Return the time with its time zone, for example 02:00 CET."""
    return f"{date_format(timezone.localtime(moment), 'H:i')} {abbreviation(moment)}"


def full(moment: datetime) -> str:
    """Return date and time with seconds, in the user's time zone and in UTC."""
    local = timezone.localtime(moment)
    text = date_format(local, pgettext("date format", "j F Y, H:i:s"))
    utc = moment.astimezone(UTC)
    return f"{text} {abbreviation(moment)} (UTC{offset(moment)}) · {utc:%Y-%m-%d %H:%M:%S} UTC"


def span(length: timedelta) -> str:
    """Return a duration in its largest unit, rounded down, for example 17 days.

    For use with "in" or "ago", after which some languages have another form of the unit.
    """
    seconds = max(0, int(length.total_seconds()))
    if seconds >= DAY:
        n = seconds // DAY
        return npgettext("in or ago", "%(n)d day", "%(n)d days", n) % {"n": n}
    if seconds >= HOUR:
        n = seconds // HOUR
        return npgettext("in or ago", "%(n)d hour", "%(n)d hours", n) % {"n": n}
    if seconds >= MINUTE:
        n = seconds // MINUTE
        return npgettext("in or ago", "%(n)d minute", "%(n)d minutes", n) % {"n": n}
    return npgettext("in or ago", "%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}


def ago(moment: datetime, now: datetime) -> str:
    """Return a time relative to now, for example 5 minutes ago or in 3 days."""
    # A contact while the page is rendered is not in the future.
    if moment - now >= timedelta(seconds=1):
        return _("in %s") % span(moment - now)
    return _("%s ago") % span(now - moment)


def expiry(not_after: datetime, now: datetime) -> tuple[str, str]:
    """Return the status of an expiry ("", "soon", or "bad") and its text."""
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


def parse_duration(text: str) -> int:
    """Return a duration, for example 90 seconds or 12 h, in seconds; raises ValueError.

    Units can be in English or in the language of the user.
    """
    rest, total = _to_english_units(text.strip().lower()), 0
    if not rest:
        raise ValueError(text)
    while rest:
        found = PART.match(rest)
        if found is None:
            raise ValueError(text)
        total += int(found[1]) * SECONDS[found[2][0]]
        rest = rest[found.end() :]
    return total


def _to_english_units(text: str) -> str:
    """Replace the units that `format_duration` writes in the language of the user."""
    names = {
        _format_unit(unit, n).replace(str(n), "").strip().lower(): unit
        for unit in UNITS
        for n in (1, 2)
    }
    return re.sub(r"[^\W\d_]+", lambda word: names.get(word[0], word[0]), text)


def format_duration(seconds: int) -> str:
    """Return a duration without rounding, for example 1 day 12 hours."""
    found = []
    for unit in UNITS:
        n, seconds = divmod(seconds, SECONDS[unit])
        if n:
            found.append(_format_unit(unit, n))
    return " ".join(found) or _format_unit("s", 0)


def _format_unit(unit: str, n: int) -> str:
    texts = {
        "d": ngettext("%(n)d day", "%(n)d days", n),
        "h": ngettext("%(n)d hour", "%(n)d hours", n),
        "m": ngettext("%(n)d minute", "%(n)d minutes", n),
        "s": ngettext("%(n)d second", "%(n)d seconds", n),
    }
    return texts[unit] % {"n": n}


class DurationField(forms.CharField):
    """A duration in seconds; None if it is optional and empty."""

    default_error_messages: ClassVar = {
        "invalid_duration": gettext_lazy(
            "Enter a number and a unit, for example 90 seconds, 12 hours, or 3 days."
        )
    }

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        self.least, self.most = least, most
        super().__init__(max_length=60, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return seconds as text; text that was entered is unchanged."""
        return format_duration(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        """Return the duration in seconds; raise ValidationError if invalid or out of range."""
        text = super().clean(value)
        if not text:
            return None
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            raise forms.ValidationError(
                self.error_messages["invalid_duration"], code="invalid_duration"
            ) from error
        if not self.least <= seconds <= self.most:
            raise forms.ValidationError(range_message(self.least, self.most), code="range")
        return seconds


def range_message(least: int, most: int) -> str:
    """Return the error text for a duration that is out of range."""
    return _("Enter a value from %(least)s to %(most)s.") % {
        "least": format_duration(least),
        "most": format_duration(most),
    }


def format_fingerprint(digest: str) -> str:
    """Return a fingerprint in upper-case pairs, separated by colons."""
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)).upper()


def describe_ca(subject: str, sha256: str) -> str:
    """Return a CA by its subject and the first four octets of its fingerprint."""
    return f"{subject} ({format_fingerprint(sha256[:8])})"
