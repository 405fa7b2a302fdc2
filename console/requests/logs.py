"""Log lines as text or JSON, with request and operation, and without secrets.

Secrets are removed in the last step before a line is written, also from tracebacks.
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
_EMPTY: Mapping[str, str] = MappingProxyType({})
_FACTS: ContextVar[Mapping[str, str]] = ContextVar("facts", default=_EMPTY)
_NAMES = r"[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key|cookie|csrf|mac)"
# Patterns and replacements, applied from top to bottom.
REPLACEMENTS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
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
    """Return a text with secrets replaced."""
    for pattern, replacement in REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def log_context(**facts: str) -> Iterator[None]:
    """Add facts (request, operation, task) to every line that is logged in this context."""
    before = _FACTS.set({**_FACTS.get(), **facts})
    try:
        yield
    finally:
        _FACTS.reset(before)


def add_log_context(**facts: str) -> None:
    """Add facts to the current log context; does nothing outside a log context."""
    if _FACTS.get() is _EMPTY:
        return
    _FACTS.set({**_FACTS.get(), **facts})


def get_log_context() -> dict[str, str]:
    """Return the facts of the current log context."""
    return dict(_FACTS.get())


class LineFormatter(logging.Formatter):
    """Formats a record as one line of text, followed by its traceback."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name
        """Return the line with control characters escaped, so that a message stays one line."""
        record.message = record.message.translate(_CONTROL)
        known = " ".join(f"{name}={value}" for name, value in get_log_context().items())
        return super().formatMessage(record) + (f" [{known}]" if known else "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record without secrets."""
        return scrub(super().format(record))


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record without secrets."""
        values = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(record.getMessage()),
            **{name: scrub(value) for name, value in get_log_context().items()},
        }
        if record.exc_info and record.exc_info[0] is not None:
            values["exception"] = scrub(self.formatException(record.exc_info))
        if record.stack_info:
            values["stack"] = scrub(self.formatStack(record.stack_info))
        return json.dumps(values, ensure_ascii=True)
