"""A calendar as text: events, escaping, and folding of lines.

See: RFC 5545; D-232
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LINE_BYTES = 75


@dataclass(frozen=True)
class Event:
    """A moment in a calendar. `uid` stays the same if the moment changes."""

    uid: str
    at: datetime
    changed_at: datetime
    title: str
    text: str
    url: str
    remind_before: timedelta


def build_calendar(name: str, events: Iterable[Event]) -> str:
    """Return a calendar as text of the media type text/calendar."""
    lines = [
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//ZCC//Expirations//EN", "CALSCALE:GREGORIAN"),
        f"X-WR-CALNAME:{_escape(name)}",
        *("REFRESH-INTERVAL;VALUE=DURATION:P1D", "X-PUBLISHED-TTL:P1D"),
        *(line for event in events for line in _event_lines(event)),
        "END:VCALENDAR",
    ]
    return "".join(f"{part}\r\n" for line in lines for part in _fold(line))


def _event_lines(event: Event) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{_escape(event.uid)}",
        f"DTSTAMP:{_format(event.changed_at)}",
        f"LAST-MODIFIED:{_format(event.changed_at)}",
        f"DTSTART:{_format(event.at)}",
        "TRANSP:TRANSPARENT",
        f"SUMMARY:{_escape(event.title)}",
        f"DESCRIPTION:{_escape(event.text)}",
        f"URL:{event.url}",
        *("BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{_escape(event.title)}"),
        *(f"TRIGGER:-P{event.remind_before.days}D", "END:VALARM", "END:VEVENT"),
    ]


def _format(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escape(text: str) -> str:
    """Return text as a value: control characters are removed, and line breaks are escaped."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r", ""), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return "".join(char for char in text if char >= " " and char != "\x7f")


def _fold(line: str) -> Iterator[str]:
    """Yield the parts of a line of at most 75 bytes. A character is never divided."""
    part, size = "", 0
    for char in line:
        length = len(char.encode("utf-8", "replace"))
        if size + length > LINE_BYTES:
            yield part
            part, size = " ", 1
        part += char
        size += length
    yield part
