"""Log lines of the agent on standard error: text, or JSON with ZCC_LOG_FORMAT=json."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any, Mapping, NamedTuple, Optional, Type

FORMAT = "ZCC_LOG_FORMAT"
JSON = "json"
FORMATS = (JSON, "text")
PART = "agent"
INFO, WARNING, ERROR, CRITICAL = "INFO", "WARNING", "ERROR", "CRITICAL"
# Events that an administrator has to look at, apart from all that end with "-rejected".
PROBLEMS = (
    *("failed", "reverted", "unauthenticated", "not-deleted", "certificate-not-sent"),
    *("hook-failed", "system-trust-failed"),
)


class LogLine(NamedTuple):
    """One line of the log. `fields` are the details of an event."""

    level: str
    message: str
    fields: Mapping[str, Any] = {}


def level_of(event: str) -> str:
    """Return the level of an event."""
    return WARNING if event in PROBLEMS or event.endswith("-rejected") else INFO


def write(line: LogLine) -> None:
    """Write one line to standard error."""
    is_json = os.environ.get(FORMAT) == JSON
    text = _format_json(line) if is_json else _escape(line.message)
    print(text, file=sys.stderr, flush=True)


def log_uncaught_errors() -> None:
    """Write uncaught exceptions in the chosen format. Python would write them as plain text."""
    if os.environ.get(FORMAT) == JSON:
        sys.excepthook = _write_uncaught
        threading.excepthook = _write_uncaught_in_thread


def _format_json(line: LogLine) -> str:
    # Without the module datetime, which would take 1 MB of memory.
    now = time.time()  # noqa: TID251 - log lines have the time of the system
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    values = {
        "time": "%s.%03d+00:00" % (second, int(now * 1000) % 1000),
        "level": line.level,
        "part": PART,
        "message": line.message,
    }
    return json.dumps({**line.fields, **values}, default=str)


def _escape(text: str) -> str:
    """Return a message without control characters, so that it stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _write_uncaught(
    kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]
) -> None:
    import traceback  # noqa: PLC0415 - rarely used

    lines = traceback.format_exception(kind, error, trace)
    write(LogLine(CRITICAL, "%s: %s" % (kind.__name__, error), {"exception": "".join(lines)}))


def _write_uncaught_in_thread(failed: Any) -> None:
    _write_uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
