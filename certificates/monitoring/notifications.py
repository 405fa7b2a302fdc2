"""Create notifications from the audit log and from certificates that expire.

The audit log has no gaps. Each run continues after the last entry of the previous run, in one
transaction with the notifications that it creates, so every notification is created once.

See: D-46
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from audit.models import Checkpoint, CheckpointMismatch, Entry
from audit.rows import alarms
from certificates.agent_upgrades import events as agent_failures
from certificates.agent_upgrades import upgrades
from certificates.approvals import approvals, descriptions
from certificates.backup import status
from certificates.issuance import expiry
from certificates.models import Operation, VaultJob
from certificates.monitoring import audit_events, decision_events, device_events
from certificates.monitoring.device_events import build_url
from certificates.operations.states import JobState, OperationState
from certificates.revocation import records
from certificates.trust import unknown_roots
from notifications.delivery import delivery, events
from notifications.delivery.events import Event
from notifications.mail_server.settings import is_configured
from notifications.models import Cursor, Target
from notifications.targets import targets
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState

MAX_ENTRIES = 5000
MAX_NAMED_DEVICES = 20
EXPIRY_INTERVAL = timedelta(hours=24)
OPERATION_SUBJECT, ASSIGNMENT_SUBJECT = "certificates.Operation:", "systemupdates.Assignment:"
EVENT_BY_STATE = {
    OperationState.BLOCKED: events.BLOCKED,
    OperationState.FAILED: events.FAILED,
    OperationState.CANCEL_FAILED: events.FAILED,
    OperationState.ACTIVATED: events.ACTIVATED,
    OperationState.COMPLETED: events.COMPLETED,
    OperationState.CANCELED: events.CANCELED,
    OperationState.ROLLED_BACK: events.CANCELED,
}
PHRASE_BY_STATE = {
    OperationState.BLOCKED: "is blocked",
    OperationState.FAILED: "failed",
    OperationState.CANCEL_FAILED: "could not be canceled",
    OperationState.ACTIVATED: "has been activated on the servers",
    OperationState.COMPLETED: "is complete",
    OperationState.CANCELED: "was canceled",
    OperationState.ROLLED_BACK: "was rolled back",
}

AWAITS_APPROVAL = "is waiting for approval by a second administrator"
# Audit actions that request an approval: for an operation, and for a CA key operation.
REQUESTED_ACTIONS = {f"ask-{act}": label for act, label in approvals.LABELS.items()}
REQUESTED_KEY_OPERATIONS = {
    **{f"ask-{kind.value}": kind.label for kind in VaultJob.Kind},
    "ask-roles": "Roles of an administrator",
    upgrades.ASK: "Upgrade of agents",
}
# Audit actions of attacks on the account of an administrator.
LOGIN_ACTIONS = {
    "login-delayed": "Many failed logins for %s. Further attempts are delayed.",
    "codes-blocked": "Many incorrect codes for %s, entered after the correct password.",
    "passkey-copied": "A passkey of %s was rejected, because it might have been copied.",
}
AUDIT_ACTIONS = (
    *("start", "move", unknown_roots.ACTION, *LOGIN_ACTIONS),
    *(
        audit_events.ACCEPTANCE,
        *status.FAILURES,
        alarms.ACTION,
        records.ACTION,
        *device_events.DECISIONS,
        *device_events.REPORTS,
        *REQUESTED_ACTIONS,
        *decision_events.ACTION_OUTCOMES,
        *REQUESTED_KEY_OPERATIONS,
    ),
)


def is_due(now: datetime) -> bool:
    """Return True if there are new audit entries or mismatches, or expiry warnings are due."""
    cursor, checkpoint = Cursor.objects.first(), Checkpoint.objects.first()
    # The log is shorter than the cursor after entries were removed.
    if cursor is None or (checkpoint is not None and checkpoint.seq != cursor.seq):
        return True
    if CheckpointMismatch.objects.filter(notified_at=None).exists():
        return True
    return cursor.expiry_notified_at is None or now - cursor.expiry_notified_at >= EXPIRY_INTERVAL


def list_unseen() -> tuple[QuerySet[Checkpoint], QuerySet[CheckpointMismatch]]:
    """Return what shows that there are new audit entries, or mismatches."""
    unseen = Checkpoint.objects.exclude(seq__in=Cursor.objects.values("seq"))
    return unseen, CheckpointMismatch.objects.filter(notified_at=None)


@transaction.atomic
def create_notifications(now: datetime) -> None:
    """Create notifications for new audit entries, and once a day for what expires."""
    cursor = _get_cursor()
    if is_configured() and not cursor.mail_offered:
        cursor.mail_offered = True
        _create_mail_target()
    last = Checkpoint.objects.values_list("seq", flat=True).first() or 0
    cursor.seq = min(cursor.seq, last)
    end = min(last, cursor.seq + MAX_ENTRIES)
    rows = Entry.objects.filter(seq__gt=cursor.seq, seq__lte=end, action__in=AUDIT_ACTIONS)
    entries = list(rows.order_by("seq"))
    for event in (
        *_build_operation_events(entries),
        *_build_key_operation_events(entries),
        *decision_events.build_decision_events(entries),
        *_build_device_events(entries),
        *_build_login_events(entries),
        *agent_failures.build_events(entries),
        *device_events.build_decision_events(entries),
        *device_events.build_unknown_root_events(entries),
        *device_events.build_hook_events(entries),
        *device_events.build_stack_events(entries),
        *audit_events.build_acceptance_events(entries),
        *audit_events.build_altered_row_events(entries),
        *audit_events.build_backup_events(entries),
        *audit_events.build_revocation_events(entries),
        *audit_events.build_mismatch_events(now=now),
    ):
        delivery.enqueue(event, now=now)
    cursor.seq = end
    if cursor.expiry_notified_at is None or now - cursor.expiry_notified_at >= EXPIRY_INTERVAL:
        cursor.expiry_notified_at = now
        for event in _build_expiry_events(now):
            delivery.enqueue(event, now=now)
    cursor.save()


def _get_cursor() -> Cursor:
    """Return the locked cursor. A new one starts at the last entry."""
    last = Checkpoint.objects.values_list("seq", flat=True).first() or 0
    Cursor.objects.get_or_create(pk=1, defaults={"seq": last})
    return Cursor.objects.select_for_update().get(pk=1)


def _create_mail_target() -> None:
    """Create a mail target for CA administrators unless there is a mail target already."""
    if not Target.objects.filter(kind=Target.Kind.MAIL).exists():
        targets.create_target(
            Target.Kind.MAIL, targets.TargetSettings("Administrators", list(events.DEFAULT_EVENTS))
        )


def _build_operation_events(entries: Iterable[Entry]) -> Iterable[Event]:
    mine = [entry for entry in entries if entry.subject.startswith(OPERATION_SUBJECT)]
    keys = {entry.subject.removeprefix(OPERATION_SUBJECT) for entry in mine}
    known = {
        str(operation.pk): operation
        for operation in Operation.objects.filter(pk__in=keys).select_related(
            "requested_by", "authority", "future_authority"
        )
    }
    for entry in mine:
        operation = known.get(entry.subject.removeprefix(OPERATION_SUBJECT))
        event = _build_operation_event(entry, operation) if operation is not None else None
        if event is not None:
            yield event


def _build_operation_event(entry: Entry, operation: Operation) -> Event | None:
    if entry.action in REQUESTED_ACTIONS:
        kind = events.APPROVAL_NEEDED
        words = f"{AWAITS_APPROVAL}: {REQUESTED_ACTIONS[entry.action]}"
    elif entry.action == "start" and entry.there == OperationState.PROPOSED:
        kind, words = events.APPROVAL_NEEDED, AWAITS_APPROVAL
    elif entry.action == "start":
        kind, words = events.STARTED, "has started"
    elif entry.there in EVENT_BY_STATE:
        state = OperationState(entry.there)
        kind, words = EVENT_BY_STATE[state], PHRASE_BY_STATE[state]
    else:
        return None
    by = operation.requested_by.username if operation.requested_by is not None else "the console"
    by = entry.actor if entry.action in REQUESTED_ACTIONS else by
    facts: dict[str, Any] = {
        "operation": str(operation.pk),
        "kind": operation.kind,
        "name": operation.name,
        "state": entry.there or operation.state,
        "requested_by": by,
        "activates_at": _format_time(operation.activates_at),
        "at": _format_time(entry.at),
        "url": build_url(reverse("certificates:operation", args=[operation.pk])),
    }
    has_requester = operation.requested_by is not None or entry.action in REQUESTED_ACTIONS
    origin = f"Requested by {by}." if has_requester else "Started automatically."
    parts = [f"{operation.name} {words}.", origin, descriptions.describe_cas(operation)]
    if operation.activates_at is not None:
        parts.append(f"Activation: {operation.activates_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC.")
    reason = entry.note or (operation.reason if operation.state == entry.there else "")
    if reason and entry.action == "move":
        facts["reason"] = reason
        parts += [f"Reason: {reason}", operation.action]
    parts.append(build_url(reverse("certificates:operation", args=[operation.pk])))
    text = "\n\n".join(part for part in parts if part)
    return Event(kind, audit_events.get_key(entry), f"{operation.name} {words}", text, facts)


def _build_key_operation_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each CA key operation that is waiting for approval."""
    for entry in entries:
        if entry.action not in REQUESTED_KEY_OPERATIONS or entry.there != JobState.PROPOSED:
            continue
        title = f"{REQUESTED_KEY_OPERATIONS[entry.action]} {AWAITS_APPROVAL}"
        parts = [
            f"{title}.",
            f"Requested by {entry.actor}.",
            build_url("/configuration/certificates/"),
        ]
        facts = {"act": entry.action.removeprefix("ask-"), "requested_by": entry.actor}
        facts["at"] = _format_time(entry.at)
        yield Event(
            events.APPROVAL_NEEDED, audit_events.get_key(entry), title, "\n\n".join(parts), facts
        )


def _build_device_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each update that has failed on devices since the last run."""
    failed = [
        entry
        for entry in entries
        if entry.subject.startswith(ASSIGNMENT_SUBJECT) and entry.there == AssignmentState.FAILED
    ]
    keys = [int(entry.subject.removeprefix(ASSIGNMENT_SUBJECT)) for entry in failed]
    rows = Assignment.objects.filter(pk__in=keys).select_related("device", "update")
    by_update: dict[Any, list[Assignment]] = {}
    for row in rows.order_by("device__name"):
        by_update.setdefault(row.update, []).append(row)
    for update, group in by_update.items():
        failures = [f"{row.device.name}: {row.reason or 'no reason reported'}" for row in group]
        more = len(failures) - MAX_NAMED_DEVICES
        title = f"{update.name} failed on {len(failures)}: {group[0].device.name}"
        text = "\n".join(failures[:MAX_NAMED_DEVICES]) + (f"\nand {more} more" if more > 0 else "")
        facts = {
            "update": str(update.pk),
            "name": update.name,
            "failed": len(failures),
            "devices": [row.device.name for row in group[:MAX_NAMED_DEVICES]],
        }
        link = build_url(f"/system-updates/{update.pk}/devices/")
        key = f"failed:{update.pk}:{failed[-1].seq}"
        yield Event(events.DEVICE_FAILED, key, title, f"{text}\n\n{link}".strip(), facts)


def _build_login_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each account with many failed logins or incorrect codes."""
    for entry in entries:
        if entry.action in LOGIN_ACTIONS:
            title = LOGIN_ACTIONS[entry.action] % entry.note
            parts = [title, f"Last address: {entry.address}.", build_url("/audit/")]
            facts = {"administrator": entry.note, "address": entry.address}
            facts["at"] = _format_time(entry.at)
            yield Event(
                events.LOGIN_FAILURES, audit_events.get_key(entry), title, "\n\n".join(parts), facts
            )


def _build_expiry_events(now: datetime) -> Iterable[Event]:
    """Return one event for all certificates that have expired or expire within 90 days."""
    warnings = expiry.list_warnings(now)
    if not warnings:
        return
    texts = [warning.text for warning in warnings]
    facts = {
        "warnings": [
            {"about": w.about, "text": w.text, "expires_at": _format_time(w.expires_at)}
            for w in warnings
        ]
    }
    title = texts[0] if len(texts) == 1 else f"{texts[0]} (and {len(texts) - 1} more)"
    link = build_url("/configuration/certificates/")
    text = "\n".join([*texts, "", link]).strip()
    yield Event(events.EXPIRING, f"expiry:{now:%Y-%m-%dT%H:%M}", title, text, facts)


def _format_time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment is not None else ""
