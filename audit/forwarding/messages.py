"""Audit entries as syslog messages.

See: RFC 5424 6; RFC 6587 3.4.1 and RFC 5425 4.3 (octet counting); D-205
"""

from __future__ import annotations

import json
import re
import socket
from typing import Any

from audit.entries.exports import describe
from audit.entries.subjects import EntryRow

FACILITY = 13  # log audit
NOTICE, WARNING = 5, 4
MAX_SEQUENCE = 2**31 - 1  # RFC 5424 7.3.1
ALARMS = frozenset(
    {
        *("codes-blocked", "denied", "distrusted", "entries-missing", "identity-copied"),
        *("login-delayed", "login-failed", "passkey-copied", "row-altered", "unknown-root"),
    }
)
BOM = "\ufeff"
APP_NAME = "zcc"


def build_message(row: EntryRow, *, version: str) -> bytes:
    """Return an entry as a syslog message without frame.

    The text is a JSON object with all fields of the entry, its digest, and its sentence.
    """
    entry = row.entry
    severity = WARNING if entry.action in ALARMS else NOTICE
    data = f'[origin software="zcc" swVersion="{_escape(version)}"]'
    data += f'[meta sequenceId="{(entry.seq - 1) % MAX_SEQUENCE + 1}"]'
    values = describe(row)
    return _build(severity, values["at"], entry.action, data, values)


def build_test_message(sentence: str, at: str) -> bytes:
    """Return a message that is not an audit entry. `at` is a time in the format of RFC 3339."""
    return _build(NOTICE, at, "test", "-", {"action": "test", "sentence": sentence})


def frame(message: bytes) -> bytes:
    """Return a message with its length in bytes (octet counting)."""
    return b"%d %s" % (len(message), message)


def _build(severity: int, at: str, message_id: str, data: str, values: dict[str, Any]) -> bytes:
    head = (
        f"<{FACILITY * 8 + severity}>1 {at} {_to_name(socket.gethostname(), 255)} {APP_NAME} - "
        f"{_to_name(message_id, 32)} {data} "
    )
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return (head + BOM + text).encode("utf-8", errors="replace")


def _to_name(text: str, length: int) -> str:
    """Return a header field: printable ASCII without spaces."""
    return re.sub(r"[^!-~]", "_", text)[:length] or "-"


def _escape(text: str) -> str:
    """Return the value of a parameter of structured data (RFC 5424 6.3.3)."""
    return re.sub(r'(["\\\]])', r"\\\1", text)
