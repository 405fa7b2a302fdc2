"""Lengths of time as an administrator writes them: 90 seconds, 15 min, 12 h, 3 days."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

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
