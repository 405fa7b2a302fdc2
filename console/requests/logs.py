"""What is logged: a line of text or of JSON, with its request and operation, without secrets.

The scrubber is the last step before a line is written, tracebacks included (S-30, S-43).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

HIDDEN = "[hidden]"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_FACTS: ContextVar[Mapping[str, str]] = ContextVar("facts", default=_NOTHING)
_NAMES = r"[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key|cookie|csrf|mac)"
# What is replaced by what. A line is scrubbed from top to bottom.
RULES = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), by)
    for pattern, by in (
        (
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
            "[private key]",
        ),
        (r"\bzcct_[\w-]+", f"zcct_{HIDDEN}"),
        (r"\bzcc1-[\w-]+", f"zcc1-{HIDDEN}"),
        (r"(\bauthorization['\"]?\s*[:=]\s*)[^\r\n]+", rf"\1{HIDDEN}"),
        (r"\bbearer\s+[^\s'\",]+", f"Bearer {HIDDEN}"),
        (r"(?<=://)[^\s/@]*@", f"{HIDDEN}@"),
        (rf"(\b{_NAMES}['\"]?\s*[:=]\s*)(['\"]).*?(?<!\\)\2", rf"\1\2{HIDDEN}\2"),
        (rf"(\b{_NAMES}['\"]?\s*[:=]\s*)(?!['\"]?\[hidden)[^\s'\",;&)}}\]]+", rf"\1{HIDDEN}"),
    )
)
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\t")}
_CONTROL |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, 0x202E, 0x202D)}


def scrub(text: str) -> str:
    """Return a text without what must stay secret."""
    for pattern, by in RULES:
        text = pattern.sub(by, text)
    return text


@contextmanager
def about(**facts: str) -> Iterator[None]:
    """Let every line that is logged inside tell what it is about (request, operation, task)."""
    before = _FACTS.set({**_FACTS.get(), **facts})
    try:
        yield
    finally:
        _FACTS.reset(before)


def note(**facts: str) -> None:
    """Tell more of what goes on, until the surrounding `about` ends; outside of one nothing."""
    if _FACTS.get() is _NOTHING:
        return
    _FACTS.set({**_FACTS.get(), **facts})


def facts() -> dict[str, str]:
    """Return what goes on now."""
    return dict(_FACTS.get())


class Line(logging.Formatter):
    """One line of text for people; a traceback follows it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name
        """Return the line; a message from elsewhere cannot begin another one."""
        record.message = record.message.translate(_CONTROL)
        known = " ".join(f"{name}={value}" for name, value in facts().items())
        return super().formatMessage(record) + (f" [{known}]" if known else "")

    def format(self, record: logging.LogRecord) -> str:
        """Return all that is written for a record."""
        return scrub(super().format(record))


class Json(logging.Formatter):
    """One JSON object in one line for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return all that is written for a record."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(record.getMessage()),
            **{name: scrub(value) for name, value in facts().items()},
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["exception"] = scrub(self.formatException(record.exc_info))
        if record.stack_info:
            told["stack"] = scrub(self.formatStack(record.stack_info))
        return json.dumps(told, ensure_ascii=True)
