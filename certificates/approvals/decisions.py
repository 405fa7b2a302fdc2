"""What became of the requests of an administrator: the decisions that the requester has not seen.

Who requests an action that needs a second administrator is usually not present when it is decided.
Decisions are shown to the requester for 24 hours.

See: D-188
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from administrators.approvals import reasons
from audit.models import Entry
from certificates.approvals import approvals
from certificates.models import Operation, VaultJob
from certificates.models.job import APPROVED_RESULT_KEPT
from certificates.operations.states import JobState, OperationState
from console.pages import formatting
from console.requests.stored_texts import translate_stored

OPERATION_SUBJECT = "certificates.Operation:"
# Audit actions that end a requested action without running it.
ENDINGS = {
    f"{verb}-{action}": action for verb in ("refuse", "drop") for action in approvals.ACTIONS
}


# The states of an operation after it was rejected.
CANCELED = (OperationState.CANCELING, OperationState.CANCELED, OperationState.CANCEL_FAILED)


@dataclass(frozen=True)
class Decision:
    """A decision on a request, in words, with the page or the dialog that shows more."""

    text: str
    url: str
    tone: str = "warn"
    has_file: bool = False
    is_dialog: bool = False


def list_decisions(user: User, now: datetime) -> list[Decision]:
    """Return the decisions of the last 24 hours on the requests of a user, newest first."""
    return [*_list_job_decisions(user, now), *_list_operation_decisions(user, now)]


def _list_job_decisions(user: User, now: datetime) -> Iterator[Decision]:
    """Yield the completed, failed, rejected, and expired CA key jobs of a user."""
    # A job without a request expires only if its server does not respond, which has an action.
    decided = Q(approved_at__isnull=False) | Q(state=JobState.EXPIRED, action="")
    jobs = VaultJob.objects.filter(
        decided, requested_by=user, ended_at__gt=now - APPROVED_RESULT_KEPT
    ).exclude(reason=approvals.WITHDRAWN)
    found = list(
        jobs.select_related("approved_by").defer("payload", "result").order_by("-ended_at")
    )
    # Usually there are none, and each Home page and each poll reads this.
    with_file = set(jobs.exclude(result=b"").values_list("pk", flat=True)) if found else frozenset()
    for job in found:
        kind, there = job.get_kind_display(), reverse("certificates:key_job", args=[job.pk])
        if job.state != JobState.DONE or job.ended_at is None:
            text = _("%(kind)s was not carried out. %(reason)s")
            values = {"kind": kind, "reason": translate_stored(job.reason)}
            yield Decision(text % values, there, "bad", is_dialog=True)
            continue
        text = _("%(kind)s was approved by %(by)s and is complete.")
        if job.pk in with_file:
            text += " " + _("You can download the backup until %(until)s.")
        until = formatting.stamp(job.ended_at + APPROVED_RESULT_KEPT)
        values = {"kind": kind, "by": str(job.approved_by or "—"), "until": until}
        yield Decision(text % values, there, "ok", has_file=job.pk in with_file, is_dialog=True)


def _list_operation_decisions(user: User, now: datetime) -> Iterator[Decision]:
    """Yield the operations and actions that were rejected or that expired, from the audit log."""
    subjects = _list_subjects(user)
    if not subjects:
        return
    # By subject: after an activation, the entries of a day are those of all devices.
    recent = Entry.objects.filter(subject__in=subjects, at__gt=now - APPROVED_RESULT_KEPT)
    refused = Q(action__in=ENDINGS) | Q(
        action="move", here=OperationState.PROPOSED, there=OperationState.CANCELING
    )
    found = recent.filter(refused).exclude(actor=user.username)
    for entry in found.order_by("-seq"):
        operation = _get_operation(entry)
        if operation is None or not _has_requested(user, entry, operation):
            continue
        action = ENDINGS.get(entry.action)
        what = f"{approvals.LABELS[action]}: {operation.name}" if action else operation.name
        is_expired = entry.note in (approvals.REQUEST_EXPIRED, approvals.ACTION_UNAVAILABLE)
        typed = "" if entry.note == operation.name else entry.note
        refusal = reasons.describe(entry.actor, typed)
        reason = translate_stored(entry.note) if is_expired else refusal
        values = {"kind": what, "reason": reason}
        text = _("%(kind)s was not carried out. %(reason)s")
        yield Decision(text % values, reverse("certificates:operation", args=[operation.pk]), "bad")


def _list_subjects(user: User) -> set[str]:
    """Return the operations on which the user requested an action, and those that were canceled."""
    requests = [f"ask-{action}" for action in approvals.ACTIONS]
    asked = Entry.objects.filter(actor=user.username, action__in=requests).order_by()
    canceled = Operation.objects.filter(requested_by=user, state__in=CANCELED).order_by()
    keys = canceled.values_list("pk", flat=True)
    return {
        *asked.values_list("subject", flat=True),
        *(f"{OPERATION_SUBJECT}{key}" for key in keys),
    }


def _get_operation(entry: Entry) -> Operation | None:
    key = entry.subject.removeprefix(OPERATION_SUBJECT)
    return Operation.objects.filter(pk=key).first()


def _has_requested(user: User, entry: Entry, operation: Operation) -> bool:
    """Return True if the user requested what an entry of the audit log rejects."""
    action = ENDINGS.get(entry.action)
    if action is None:
        return operation.requested_by_id == user.pk
    earlier = Entry.objects.filter(subject=entry.subject, seq__lt=entry.seq, action=f"ask-{action}")
    request = earlier.order_by("-seq").first()
    return request is not None and request.actor == user.username
