"""The second of two administrators agrees to an act on the zone CA (B-29, S-46).

Force and Roll back where two administrators are needed: ask, agree, refuse (B-29, S-46).

What was asked for stands on the operation and does nothing; whether it is possible is looked at
when it is asked for, and again, in the act itself, when the second administrator agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from administrators.accounts.policies import check_second
from administrators.models import Rules
from audit.chain.states import WrongMove
from audit.models import Entry
from certificates.authority import key_operations as ca_role
from certificates.models import Operation, VaultJob
from certificates.operations import intervention, rollback
from certificates.operations.activation_time import limits
from certificates.operations.states import JobState, OperationState
from devices.models import Zone
from faults import Conflict, Fault, Unavailable

WITHIN = timedelta(hours=24)
LATE = "Nobody agreed within 24 hours. Nothing was changed."


class TooLateToConfirm(Conflict):
    """The proposal is older than a day, or was decided on already."""

    action = gettext_lazy("Ask for it again.")


@transaction.atomic
def approve_operation(operation: Operation, *, by: User, now: datetime) -> None:
    """Let an operation begin. Its activation time must still leave the devices time."""
    Zone.objects.lock()
    operation.refresh_from_db()
    if operation.state != OperationState.PROPOSED or now - operation.created_at >= WITHIN:
        raise TooLateToConfirm(
            _("%(operation)s does not wait for a second administrator.")
            % {"operation": operation.name}
        )
    check_second(by, first=operation.requested_by)
    limits(operation.kind, now=now).check(operation.activates_at)
    Operation.objects.move(
        operation, OperationState.PREPARING, note=f"confirmed by {by.username}", confirmed_by=by
    )


@transaction.atomic
def approve_job(job: VaultJob, *, by: User, now: datetime) -> None:
    """Let a move, backup or restore of the CA begin."""
    Zone.objects.lock()
    job.refresh_from_db()
    if job.state != JobState.PROPOSED or now - job.created_at >= WITHIN:
        raise TooLateToConfirm(
            _("%(kind)s does not wait for a second administrator.")
            % {"kind": job.get_kind_display()}
        )
    check_second(by, first=job.requested_by)
    if job.kind != VaultJob.Kind.BACKUP:
        ca_role.check_free()
    if VaultJob.objects.filter(state=JobState.WAITING).exists():
        raise Unavailable(
            _("Another act on the CA key is under way. Nothing was changed."),
            action=_("Try again in a moment."),
        )
    VaultJob.objects.move(
        job,
        JobState.WAITING,
        note=f"confirmed by {by.username}",
        confirmed_by=by,
        confirmed_at=now,
    )


@transaction.atomic
def reject_job(job: VaultJob, *, by: User, now: datetime) -> None:
    """Give a proposal up: whoever asked withdraws it, anybody else refuses it."""
    job.refresh_from_db()
    if job.state != JobState.PROPOSED:
        raise TooLateToConfirm(
            _("%(kind)s does not wait for a second administrator.")
            % {"kind": job.get_kind_display()}
        )
    own = job.requested_by_id == by.pk
    refused = _("%s refused it. Nothing was changed.") % by.username
    reason = _("It was withdrawn.") if own else refused
    withdraw_job(job, now=now, reason=reason)


@transaction.atomic
def withdraw_job(job: VaultJob, *, now: datetime, reason: str) -> None:
    """Give a proposal up; its passphrase and its file are dropped."""
    VaultJob.objects.move(
        job, JobState.EXPIRED, note=job.kind, ended_at=now, sealed="", payload=b"", reason=reason
    )


def pending_jobs() -> list[VaultJob]:
    """Return the acts on the CA key that wait for a second administrator."""
    waiting = VaultJob.objects.filter(state=JobState.PROPOSED).defer("payload", "result")
    return list(waiting.select_related("requested_by", "server", "target").order_by("created_at"))


def expire_requests(now: datetime) -> None:
    """Drop what nobody agreed to in time; an activation time that went by is in time no more."""
    past = Q(created_at__lte=now - WITHIN) | Q(activates_at__lte=now)
    for operation in Operation.objects.filter(past, state=OperationState.PROPOSED):
        with suppress(WrongMove):
            Operation.objects.move(operation, OperationState.CANCELLING, note=LATE)
    for job in VaultJob.objects.filter(state=JobState.PROPOSED, created_at__lte=now - WITHIN):
        with suppress(WrongMove):
            withdraw_job(job, now=now, reason=LATE)


FORCE, ROLL_BACK = "force", "roll-back"
ACTS: dict[str, Callable[..., None]] = {FORCE: intervention.force, ROLL_BACK: rollback.roll_back}
CHECKS: dict[str, Callable[..., None]] = {
    FORCE: intervention.check_force,
    ROLL_BACK: rollback.check,
}
LABELS = {FORCE: "Force activation", ROLL_BACK: "Roll back"}
GONE = "It is not possible any more. Nothing was changed."


@transaction.atomic
def do_or_ask(operation: Operation, act: str, *, by: User | None, now: datetime) -> None:
    """Do an act; where the rule of two holds for it, only ask for it."""
    if not (operation.changes_ca and Rules.objects.the().two_administrators):
        ACTS[act](operation, now=now)
        return
    Zone.objects.lock()
    Entry.objects.queue()
    operation.refresh_from_db()
    if operation.asked_act:
        raise Conflict(
            _("%(act)s waits for a second administrator already. Nothing was changed.")
            % {"act": LABELS[operation.asked_act]},
            action=_("Confirm it, or refuse it first."),
        )
    CHECKS[act](operation, now=now)
    operation.asked_act, operation.asked_by, operation.asked_at = act, by, now
    operation.save(update_fields=["asked_act", "asked_by", "asked_at"])
    _note(f"ask-{act}", operation)


@transaction.atomic
def approve_action(operation: Operation, act: str, *, by: User, now: datetime) -> None:
    """Let an act happen, as the second of two administrators."""
    first = _waiting(operation, act, now)
    check_second(by, first=first)
    asked = first.username if first is not None else ""
    _forget(operation)
    _note(f"confirm-{act}", operation, f"asked for by {asked}")
    ACTS[act](operation, now=now)


@transaction.atomic
def reject_action(operation: Operation, act: str, *, by: User, now: datetime) -> None:
    """Give up what was asked for: whoever asked withdraws it, anybody else refuses it."""
    first = _waiting(operation, act, now)
    _forget(operation)
    _note(f"{'withdraw' if first == by else 'refuse'}-{act}", operation)


def pending_actions(now: datetime) -> list[Operation]:
    """Return the operations for which an act waits for a second administrator."""
    found = Operation.objects.exclude(asked_act="").filter(asked_at__gt=now - WITHIN)
    return list(found.select_related("asked_by").order_by("asked_at"))


def expire_action_requests(now: datetime) -> None:
    """Drop what nobody agreed to in time, and what is not possible any more."""
    for operation in Operation.objects.exclude(asked_act=""):
        _give_up(operation, now)


@transaction.atomic
def _give_up(operation: Operation, now: datetime) -> None:
    Zone.objects.lock()
    Entry.objects.queue()
    operation.refresh_from_db()
    act, asked_at = operation.asked_act, operation.asked_at
    if not act or asked_at is None:
        return
    reason = LATE if now - asked_at >= WITHIN else ""
    try:
        CHECKS[act](operation, now=now)
    except Fault:
        reason = reason or GONE
    if reason:
        _forget(operation)
        _note(f"drop-{act}", operation, reason)


def _waiting(operation: Operation, act: str, now: datetime) -> User | None:
    """Return who asked for an act that still waits; refuse where none does."""
    Zone.objects.lock()
    Entry.objects.queue()
    operation.refresh_from_db()
    asked_at = operation.asked_at
    if not act or operation.asked_act != act or asked_at is None or now - asked_at >= WITHIN:
        raise TooLateToConfirm(
            _(
                "%(act)s of %(operation)s does not wait for a second administrator. "
                "Nothing was changed."
            )
            % {"act": LABELS[act], "operation": operation.name}
        )
    return operation.asked_by


def _forget(operation: Operation) -> None:
    operation.asked_act, operation.asked_by, operation.asked_at = "", None, None
    operation.save(update_fields=["asked_act", "asked_by", "asked_at"])


def _note(action: str, operation: Operation, note: str = "") -> None:
    subject = f"certificates.Operation:{operation.pk}"
    Entry.objects.record(action, subject, note=note or operation.name)
