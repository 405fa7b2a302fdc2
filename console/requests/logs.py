"""Log lines as text or JSON, with request and operation, and without secrets.

Secrets are removed in the last step before a line is written, also from tracebacks.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any
from uuid import UUID

HIDDEN = "[hidden]"
# The part of ZCC in the lines of a process that is not a component, such as a command.
COMMAND = "command"
_EMPTY: Mapping[str, str] = MappingProxyType({})
_PATH_SECRETS: ContextVar[tuple[str, ...]] = ContextVar("path_secrets", default=())
_FACTS: ContextVar[Mapping[str, str]] = ContextVar("facts", default=_EMPTY)
_NAMES = r"(?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key|cookie|csrf|mac)"
# Patterns and replacements, applied from top to bottom.
REPLACEMENTS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement)
    for pattern, replacement in (
        (
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
            "[private key]",
        ),
        # The text of a setup link and the ticket of a download. Django logs paths, too.
        (r"(/(?:setup-link|set-up)/#?)[\w-]{20,}", rf"\1{HIDDEN}"),
        (r"(/jobs/[\w-]+/)[\w-]{20,}", rf"\1{HIDDEN}"),
        (r"\bzcct_[\w-]+", f"zcct_{HIDDEN}"),
        (r"\bzcc1-[\w-]+", f"zcc1-{HIDDEN}"),
        (r"(\bauthorization['\"]?\s*[:=]\s*)[^\r\n]+", rf"\1{HIDDEN}"),
        (r"\bbearer\s+[^\s'\",]+", f"Bearer {HIDDEN}"),
        (r"(?<=://)[^\s/@]*@", f"{HIDDEN}@"),
        # Without a prefix such as [\w-]*, which takes quadratic time in a text of strangers.
        (rf"({_NAMES}['\"]?\s*[:=]\s*)(['\"]).*?(?<!\\)\2", rf"\1\2{HIDDEN}\2"),
        (rf"({_NAMES}['\"]?\s*[:=]\s*)(?!['\"]?\[hidden)[^\s'\",;&)}}\]]+", rf"\1{HIDDEN}"),
    )
)
# Parts of a path that are no secret: short ones, numbers, lowercase words, and SHA-256 digests.
_PLAIN = re.compile(r"[^/]{0,15}|\d+|[a-z._-]{1,64}|[0-9a-f]{64}")
# What can be a secret in such a part. Only this is hidden in other lines of the request, so that a
# client cannot hide a whole line by a path with the text of the line.
_SECRET = re.compile(r"[\w-]{16,}")
MAX_LINE_LENGTH = 100_000
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\t")}
_CONTROL |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, 0x202E, 0x202D)}


def scrub(text: str) -> str:
    """Return a text with secrets replaced, also those in the path of the current request."""
    text = text[:MAX_LINE_LENGTH]
    for part in _PATH_SECRETS.get():
        text = text.replace(part, HIDDEN)
    for pattern, replacement in REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def request_log_context(request: Any) -> Iterator[None]:
    """Add the ID of a request to its log lines, and hide the secrets in its path.

    Django logs paths, too, for example that of a request without a CSRF token.
    """
    hidden = (part for part in request.path.split("/") if not _is_plain(part))
    parts = tuple(secret for part in hidden for secret in _SECRET.findall(part))
    before = _PATH_SECRETS.set(parts)
    try:
        with log_context(request=request.id):
            yield
    finally:
        _PATH_SECRETS.reset(before)


def describe_path(request: Any) -> str:
    """Return the path of a request for logs: the route if a part of it can be a secret.

    A path that no route matches is a mistyped or shortened one, whose parts can be secrets, too.
    """
    match = getattr(request, "resolver_match", None)
    if match is None:
        parts = request.path.split("/")
        return "/".join(part if _is_plain(part) else HIDDEN for part in parts)
    if all(_is_plain(str(value)) for value in match.captured_kwargs.values()):
        return str(request.path)
    return f"/{match.route}"


def _is_plain(text: str) -> bool:
    if _PLAIN.fullmatch(text):
        return True
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


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
    """Formats a record as one JSON object on one line. `part` is the component of this process."""

    def __init__(self, part: str = "") -> None:
        super().__init__()
        self._part = part or COMMAND

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record without secrets."""
        values = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "part": self._part,
            "logger": record.name,
            "message": scrub(record.getMessage()),
            **{name: scrub(value) for name, value in get_log_context().items()},
        }
        if record.exc_info and record.exc_info[0] is not None:
            values["exception"] = scrub(self.formatException(record.exc_info))
        if record.stack_info:
            values["stack"] = scrub(self.formatStack(record.stack_info))
        return json.dumps(values, ensure_ascii=True)


def build_formatter(kind: str, part: str) -> logging.Formatter:
    """Return the formatter for a log format, "json" or "text"."""
    if kind == "json":
        return JsonFormatter(part)
    return LineFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")


def build_settings(kind: str, part: str, level: str) -> dict[str, Any]:
    """Return the setting LOGGING: all lines go to standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {"()": "console.requests.logs.build_formatter", "kind": kind, "part": part},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # The console logs rejected requests in more detail than Django.
            "django.request": {"level": "ERROR"},
            # Celery logs each periodic task several times every two seconds.
            "celery": {"level": "WARNING"},
            # At the level DEBUG, it logs URLs. The URL of a webhook contains its secret.
            "urllib3": {"level": "INFO"},
        },
    }


def configure(kind: str, part: str) -> None:
    """Write log lines to standard error before Django's settings are loaded."""
    handler = logging.StreamHandler()
    handler.setFormatter(build_formatter(kind, part))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    log_uncaught_errors()


def log_uncaught_errors() -> None:
    """Log warnings of Python and uncaught exceptions, which Python would write as plain text."""
    logging.captureWarnings(True)  # noqa: FBT003 - no keyword argument
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("zcc.errors").critical("Unexpected error", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value
    if error is not None:
        _log_uncaught(failed.exc_type, error, failed.exc_traceback)
