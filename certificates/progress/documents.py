"""What the signed documents for auditors have in common: times and audit entries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from audit.models import Entry


def format_utc(moment: datetime | None) -> str:
    """Return a time in UTC (RFC 3339), "" for None."""
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""


def describe_entry(entry: Entry) -> dict[str, Any]:
    """Return an audit entry with its digest, which proves its place in the log."""
    return {
        "seq": entry.seq,
        "at": format_utc(entry.at),
        "by": entry.actor,
        "action": entry.action,
        "from": entry.here,
        "to": entry.there,
        "note": entry.note,
        "digest": entry.digest,
    }
