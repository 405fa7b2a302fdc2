"""Two-administrator approval of operations, CA key jobs, and actions on operations.

A requested action (Force Activation, Roll Back) is stored on its operation. It is checked when it
is requested and again when it is approved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from administrators.accounts.policies import check_second_administrator
from administrators.approvals import reasons
from administrators.models import Policies
from audit.chain.states import InvalidTransition
from audit.models import Entry
from audit.rows import alarms
from certificates.authority import key_operations
from certificates.models import Operation, VaultJob
from certificates.operations import cancellation, intervention, rollback
from certificates.operations.activation_time import get_limits
from certificates.operations.states import JobState, OperationState
from devices.models import Zone
from faults import Conflict, Fault, Unavailable

REQUEST_LIFETIME = timedelta(hours=24)
REQUEST_EXPIRED = gettext_noop(
    "The request expired because no administrator approved it within 24 hours. Nothing was changed."
)
WITHDRAWN = gettext_noop("The request was withdrawn.")


class NotPending(Conflict):
    """The request has expired or has already been approved or rejected."""

    action = gettext_lazy("Submit the request again.")


@transaction.atomic
def approve_operation(operation: Operation, *, by: User, now: datetime) -> None:
    """Approve an operation. Raise a fault if its activation time is too early now."""
    Zone.objects.lock()
    operation.refresh_from_db()
    if operation.state != OperationState.PROPOSED or now - operation.created_at >= REQUEST_LIFETIME:
        raise NotPending(
            _("%(operation)s is not waiting for approval by a second administrator.")
            % {"operation": operation.name}
        )
    check_second_administrator(by, first=operation.requested_by)
    # If a window has changed since the request, the activation moves.
    get_limits(operation.kind, now=now).check(operation.activates_at)
    Operation.objects.transition(
        operation, OperationState.PREPARING, note=f"approved by {by.username}", approved_by=by
    )


@transaction.atomic
def approve_job(job: VaultJob, *, by: User, now: datetime) -> None:
    """Approve a request to move, back up, or restore the CA."""
    Zone.objects.lock()
    job.refresh_from_db()
    if job.state != JobState.PROPOSED or now - job.created_at >= REQUEST_LIFETIME:
        raise NotPending(
            _("%(kind)s is not waiting for approval by a second administrator.")
            % {"kind": job.get_kind_display()}
        )
    check_second_administrator(by, first=job.requested_by)
    if job.kind != VaultJob.Kind.BACKUP:
        key_operations.check_no_operation()
    if VaultJob.objects.filter(state=JobState.WAITING).exists():
        raise Unavailable(
            _("Another CA key operation is in progress. Nothing was changed."),
            action=_("Wait a moment, then try again."),
        )
    VaultJob.objects.transition(
        job,
        JobState.WAITING,
        note=f"approved by {by.username}",
        approved_by=by,
        approved_at=now,
    )


@transaction.atomic
def reject_operation(operation: Operation, *, by: User, now: datetime, reason: str = "") -> None:
    """Reject an operation that is waiting for approval, for a reason that its requester sees."""
    text = reasons.clean(reason)
    Zone.objects.lock()
    operation.refresh_from_db()
    if operation.state != OperationState.PROPOSED:
        raise NotPending(
            _("%(operation)s is not waiting for approval by a second administrator.")
            % {"operation": operation.name}
        )
    cancellation.cancel(operation, now=now, note=text)


@transaction.atomic
def reject_job(job: VaultJob, *, by: User, now: datetime, reason: str = "") -> None:
    """Reject a job request for a reason, or withdraw it if `by` requested it."""
    text = reasons.clean(reason)
    job.refresh_from_db()
    if job.state != JobState.PROPOSED:
        raise NotPending(
            _("%(kind)s is not waiting for approval by a second administrator.")
            % {"kind": job.get_kind_display()}
        )
    own = job.requested_by_id == by.pk
    with translation.override(settings.LANGUAGE_CODE):
        words = WITHDRAWN if own else reasons.describe(by.username, text)
    withdraw_job(job, now=now, reason=words, note="" if own else text)


@transaction.atomic
def withdraw_job(job: VaultJob, *, now: datetime, reason: str, note: str = "") -> None:
    """Expire a job request and delete its passphrase and file."""
    note = note or job.kind
    VaultJob.objects.transition(
        job, JobState.EXPIRED, note=note, ended_at=now, sealed="", payload=b"", reason=reason
    )


def list_pending_jobs() -> list[VaultJob]:
    """Return the CA key jobs that are waiting for a second administrator."""
    waiting = VaultJob.objects.filter(state=JobState.PROPOSED).defer("payload", "result")
    # Usually there is none. A join then reads all devices on SQLite.
    related = waiting.prefetch_related("requested_by", "server", "target")
    return list(related.order_by("created_at"))


def list_expired_operations(now: datetime) -> QuerySet[Operation]:
    """Return the requested operations that are too old, or whose activation time has passed."""
    past = Q(created_at__lte=now - REQUEST_LIFETIME) | Q(activates_at__lte=now)
    return Operation.objects.filter(past, state=OperationState.PROPOSED)


def list_expired_jobs(now: datetime) -> QuerySet[VaultJob]:
    """Return the requested CA key jobs that are too old."""
    past = now - REQUEST_LIFETIME
    return VaultJob.objects.filter(state=JobState.PROPOSED, created_at__lte=past)


def expire_requests(now: datetime) -> None:
    """Expire requests that are too old, or whose activation time has passed."""
    for operation in filter(alarms.is_authentic, list_expired_operations(now)):
        with suppress(InvalidTransition):
            Operation.objects.transition(operation, OperationState.CANCELING, note=REQUEST_EXPIRED)
    for job in filter(alarms.is_authentic, list_expired_jobs(now)):
        with suppress(InvalidTransition):
            withdraw_job(job, now=now, reason=REQUEST_EXPIRED)


FORCE, ROLL_BACK = "force", "roll-back"
ACTIONS: dict[str, Callable[..., None]] = {
    FORCE: intervention.force_activation,
    ROLL_BACK: rollback.roll_back,
}
CHECKS: dict[str, Callable[..., None]] = {
    FORCE: intervention.check_force_activation,
    ROLL_BACK: rollback.check_roll_back,
}
LABELS = {FORCE: gettext_lazy("Force Activation"), ROLL_BACK: gettext_lazy("Roll Back")}
ACTION_UNAVAILABLE = gettext_noop("This action is no longer available. Nothing was changed.")


@transaction.atomic
def run_or_request(operation: Operation, action: str, *, by: User | None, now: datetime) -> None:
    """Run an action, or create a request if two-administrator approval applies to it."""
    if not (operation.changes_ca and Policies.objects.get_current().two_administrators):
        ACTIONS[action](operation, now=now)
        return
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    if operation.requested_action:
        raise Conflict(
            _(
                "%(action)s is already waiting for approval by a second "
                "administrator. Nothing was changed."
            )
            % {"action": LABELS[operation.requested_action]},
            action=_("Approve or reject the existing request first."),
        )
    CHECKS[action](operation, now=now)
    _set_request(operation, action, by, now)
    _record(f"ask-{action}", operation)


@transaction.atomic
def approve_action(operation: Operation, action: str, *, by: User, now: datetime) -> None:
    """Run a requested action with the approval of a second administrator."""
    first = _get_requester(operation, action, now)
    check_second_administrator(by, first=first)
    requester = first.username if first is not None else ""
    _set_request(operation)
    _record(f"confirm-{action}", operation, f"requested by {requester}")
    ACTIONS[action](operation, now=now)


@transaction.atomic
def reject_action(
    operation: Operation, action: str, *, by: User, now: datetime, reason: str = ""
) -> None:
    """Reject a requested action for a reason, or withdraw it if `by` requested it."""
    text = reasons.clean(reason)
    first = _get_requester(operation, action, now)
    _set_request(operation)
    if first == by:
        _record(f"withdraw-{action}", operation)
    else:
        _record(f"refuse-{action}", operation, text)


def list_pending_actions(now: datetime) -> list[Operation]:
    """Return the operations with an action that is waiting for a second administrator."""
    found = list_requested_actions().select_related("action_requested_by")
    return select_pending_actions(found, now)


def select_pending_actions(found: Iterable[Operation], now: datetime) -> list[Operation]:
    """Return those of the operations with an action that is waiting for a second administrator."""
    waiting = [
        (operation.action_requested_at, operation)
        for operation in found
        if operation.requested_action
        and operation.action_requested_at is not None
        and operation.action_requested_at > now - REQUEST_LIFETIME
    ]
    return [operation for _at, operation in sorted(waiting, key=lambda pair: pair[0])]


def list_requested_actions() -> QuerySet[Operation]:
    """Return the operations with a requested action."""
    return Operation.objects.exclude(requested_action="")


def expire_action_requests(now: datetime) -> None:
    """Expire requested actions that are too old or no longer possible."""
    for operation in filter(alarms.is_authentic, list_requested_actions()):
        _expire_action_request(operation, now)


@transaction.atomic
def _expire_action_request(operation: Operation, now: datetime) -> None:
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    action, requested_at = operation.requested_action, operation.action_requested_at
    if not action or requested_at is None:
        return
    reason = REQUEST_EXPIRED if now - requested_at >= REQUEST_LIFETIME else ""
    try:
        CHECKS[action](operation, now=now)
    except Fault:
        reason = reason or ACTION_UNAVAILABLE
    if reason:
        _set_request(operation)
        _record(f"drop-{action}", operation, reason)


def _get_requester(operation: Operation, action: str, now: datetime) -> User | None:
    """Return who requested the action, or raise NotPending."""
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    requested_at = operation.action_requested_at
    is_requested = bool(action) and operation.requested_action == action
    if not is_requested or requested_at is None or now - requested_at >= REQUEST_LIFETIME:
        raise NotPending(
            _("%(action)s for %(operation)s is not waiting for approval. Nothing was changed.")
            % {"action": LABELS[action], "operation": operation.name}
        )
    return operation.action_requested_by


def _set_request(
    operation: Operation, action: str = "", by: User | None = None, at: datetime | None = None
) -> None:
    operation.requested_action, operation.action_requested_by = action, by
    operation.action_requested_at = at
    operation.save(update_fields=["requested_action", "action_requested_by", "action_requested_at"])


def _record(action: str, operation: Operation, note: str = "") -> None:
    subject = f"certificates.Operation:{operation.pk}"
    Entry.objects.record(action, subject, note=note or operation.name)
