"""Notifications about decisions on requests that needed a second administrator.

See: D-188
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC
from uuid import UUID

from audit.models import Entry
from certificates.approvals import approvals
from certificates.models import Operation, VaultJob
from certificates.monitoring import audit_events
from certificates.monitoring.device_events import build_url
from certificates.operations.states import JobState, OperationState
from notifications.delivery import events
from notifications.delivery.events import Event

JOB_SUBJECT, OPERATION_SUBJECT = "certificates.VaultJob:", "certificates.Operation:"
# What happened, who requested it, and the reason if a rejection has one.
Outcome = tuple[str, str, str]
VERBS = {"confirm": "was approved", "refuse": "was rejected", "drop": "expired"}
# Audit actions that end a requested action, with the words for the outcome.
ACTION_OUTCOMES = {
    f"{verb}-{action}": (action, words)
    for verb, words in VERBS.items()
    for action in approvals.ACTIONS
}


def build_decision_events(entries: Iterable[Entry]) -> Iterator[Event]:
    """Return an event for each request that was approved, was rejected, or expired.

    A request that its requester withdrew has no event. An approved backup has a second one when its
    file can be downloaded.
    """
    for entry in entries:
        if entry.subject.startswith(JOB_SUBJECT):
            outcome = _describe_job(entry)
        elif entry.subject.startswith(OPERATION_SUBJECT):
            outcome = _describe_operation(entry)
        else:
            continue
        if outcome is not None:
            yield _build_event(entry, *outcome)


def _describe_job(entry: Entry) -> Outcome | None:
    """Return what happened to a CA key job, or None."""
    key = _get_key(entry)
    jobs = VaultJob.objects.defer("payload", "result")
    job = jobs.filter(pk=key).first() if key is not None else None
    if job is None or job.requested_by is None or entry.action != "move":
        return None
    kind, requester = job.get_kind_display(), job.requested_by.username
    if entry.here == JobState.PROPOSED and entry.there == JobState.WAITING:
        return f"{kind} was approved", requester, ""
    if entry.here == JobState.PROPOSED and entry.there == JobState.EXPIRED:
        if job.reason == approvals.WITHDRAWN:
            return None
        is_expired = job.reason == approvals.REQUEST_EXPIRED
        return _describe_end(entry, kind, requester, is_expired=is_expired, default=job.kind)
    is_approved = job.approved_at is not None
    if is_approved and job.kind == VaultJob.Kind.BACKUP and entry.there == JobState.DONE:
        return f"{kind}: the file is ready to download", requester, ""
    return None


def _describe_operation(entry: Entry) -> Outcome | None:
    """Return what happened to a requested operation or action, or None."""
    key = _get_key(entry)
    operation = Operation.objects.filter(pk=key).first() if key is not None else None
    if operation is None:
        return None
    if entry.action in ACTION_OUTCOMES:
        return _describe_action(entry, operation)
    requester = operation.requested_by.username if operation.requested_by is not None else ""
    if entry.action != "move" or entry.here != OperationState.PROPOSED:
        return None
    if entry.there == OperationState.PREPARING:
        return f"{operation.name} was approved", requester, ""
    if entry.actor == requester:
        return None
    is_expired = entry.note == approvals.REQUEST_EXPIRED
    return _describe_end(entry, operation.name, requester, is_expired=is_expired)


def _describe_action(entry: Entry, operation: Operation) -> Outcome:
    action, words = ACTION_OUTCOMES[entry.action]
    requester = _get_action_requester(entry, action)
    what = f"{approvals.LABELS[action]} for {operation.name}"
    if words != VERBS["refuse"]:
        return f"{what} {words}", requester, ""
    return _describe_end(entry, what, requester, is_expired=False, default=operation.name)


def _describe_end(
    entry: Entry, what: str, requester: str, *, is_expired: bool, default: str = ""
) -> Outcome:
    """Return the end of a request that was not approved.

    Without a typed reason, the entry of a rejection has the default note.
    """
    if is_expired:
        return f"{what} expired", requester, ""
    return f"{what} was rejected", requester, "" if entry.note == default else entry.note


def _get_action_requester(entry: Entry, action: str) -> str:
    earlier = Entry.objects.filter(subject=entry.subject, seq__lt=entry.seq, action=f"ask-{action}")
    request = earlier.order_by("-seq").first()
    return request.actor if request is not None else ""


def _get_key(entry: Entry) -> UUID | None:
    try:
        return UUID(entry.subject.partition(":")[2])
    except ValueError:
        return None


def _build_event(entry: Entry, title: str, requester: str, reason: str) -> Event:
    facts = {
        "decided_by": entry.actor,
        "requested_by": requester,
        "reason": reason or entry.note,
        "at": entry.at.astimezone(UTC).isoformat(),
    }
    parts = [f"{title}.", f"Requested by {requester or '-'}.", f"Decided by {entry.actor}."]
    if reason:
        parts.append(f"Reason: {reason}")
    parts.append(build_url("/configuration/certificates/"))
    text = "\n\n".join(part for part in parts if part)
    return Event(events.REQUEST_DECIDED, audit_events.get_key(entry), title, text, facts)
