"""Notifications about missing audit entries, altered rows, backups, and revocations.

See: D-135, D-170, D-197, D-265
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from audit.models import CheckpointMismatch, Entry
from audit.rows import alarms
from certificates.backup import status
from certificates.models import Revocation
from certificates.revocation import records
from devices.witnesses import mismatches
from notifications.delivery import events
from notifications.delivery.events import Event

ACCEPTANCE = "accept-loss"
ROW_ADVICE = "Run manage.py check_rows on a Primary Server. It lists the rows and what to do."
BACKUP_ADVICE = (
    "Correct the cause. Then run manage.py backup and manage.py prove_backup on this server."
)
ADVICE = "Run manage.py verify_audit on a Primary Server. It says what is missing and what to do."


def get_key(entry: Entry) -> str:
    """Return the key of the event of an entry. After a truncation, numbers are used again."""
    return f"line:{entry.seq}:{entry.digest[:16]}"


def build_mismatch_events(*, now: datetime) -> Iterable[Event]:
    """Return one event for each branch with new mismatches, and mark them as notified.

    They are not found through audit entries: after a truncation, numbers of entries are used again.
    """
    rows = CheckpointMismatch.objects.all()
    for row in rows.filter(notified_at=None).order_by("branch", "pk"):
        is_first = not rows.filter(branch=row.branch).exclude(notified_at=None).exists()
        rows.filter(pk=row.pk).update(notified_at=now)
        if not is_first:
            continue
        title = mismatches.describe(row)
        facts: dict[str, Any] = {
            "seq": row.seq,
            "digest": row.digest,
            "witness": row.witness,
            "last_seq": row.last_seq,
            "at": row.found_at.astimezone(UTC).isoformat(),
        }
        yield Event(events.AUDIT_LOG, f"audit:{row.branch}", title, f"{title}\n\n{ADVICE}", facts)


def build_acceptance_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each accepted loss, because an acceptance ends the alarm."""
    for entry in entries:
        if entry.action != ACCEPTANCE:
            continue
        title = f"The loss of audit entries was accepted by {entry.actor}"
        facts = {"by": entry.actor, "reason": entry.note, **entry.detail}
        text = f"{title}.\n\nReason: {entry.note}"
        yield Event(events.AUDIT_LOG, get_key(entry), title, text, facts)


def build_altered_row_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each row that was changed in the database, and not by ZCC."""
    for entry in entries:
        if entry.action != alarms.ACTION:
            continue
        title = f"The record of {entry.note} was changed in the database, and not by ZCC"
        facts = {"row": entry.subject, "name": entry.note, "at": entry.at.isoformat()}
        text = f"{title}.\n\n{ROW_ADVICE}"
        yield Event(events.ALTERED_ROW, get_key(entry), title, text, facts)


def build_backup_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each new reason why a backup failed or cannot be restored."""
    titles = {
        status.BACKUP_FAILED: "The backup of %s failed",
        status.NOT_PROVEN: "The last backup of %s cannot be restored",
    }
    for entry in entries:
        if entry.action not in titles:
            continue
        title = titles[entry.action] % entry.there
        facts = {"server": entry.there, "reason": entry.note, "at": entry.at.isoformat()}
        text = f"{title}.\n\n{entry.note}\n\n{BACKUP_ADVICE}"
        yield Event(events.BACKUP_FAILED, get_key(entry), title, text, facts)


def build_revocation_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each certificate that an administrator has revoked.

    The certificates of retired devices are revoked automatically, which needs no attention.
    """
    for entry in entries:
        reason = entry.detail.get("reason", "")
        if entry.action != records.ACTION or reason == Revocation.Reason.CESSATION:
            continue
        title = f"A certificate of {entry.note} was revoked by {entry.actor}"
        facts = {
            "server": entry.note,
            "by": entry.actor,
            "at": entry.at.isoformat(),
            "serial": entry.detail.get("serial", ""),
            "sha256": entry.detail.get("sha256", ""),
            "reason": reason,
        }
        text = (
            f"{title}.\n\nReason: {reason}\nSHA-256: {entry.detail.get('sha256', '')}\n\n"
            "Devices reject it at their next contact. A server that uses it gets a new one."
        )
        yield Event(events.REVOKED, get_key(entry), title, text, facts)
