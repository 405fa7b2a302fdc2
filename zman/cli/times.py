"""Parse times and durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from faults import Invalid

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
TIME_FORMAT = "2030-05-17T22:00+02:00 or +2h"


def parse_time(text: str) -> str:
    """Return a time in ISO 8601 from ISO 8601, or from now such as +90m, +2h, or +7d.

    A time without an offset is in the time zone of this host.
    """
    relative = re.fullmatch(r"\+(\d{1,9}[smhd])", text)
    try:
        if relative:
            return (datetime.now(UTC) + _parse_span(relative[1])).isoformat()
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        raise Invalid(
            f"{text} is not a valid time.", action=f"Use the format {TIME_FORMAT}."
        ) from error


def parse_duration(text: str) -> int:
    """Return a duration such as 90m, 12h, or 3d in seconds. A number without unit is seconds."""
    if not re.fullmatch(r"\d{1,9}[smhd]?", text):
        raise Invalid(f"{text} is not a valid duration.", action="Use the format 90m, 12h, or 3d.")
    return int(_parse_span(text if text[-1] in UNITS else f"{text}s").total_seconds())


def _parse_span(text: str) -> timedelta:
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})
