"""The second of two administrators agrees to an act on the zone CA (B-29, S-46)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from administrators.accounts.policies import check_second
from audit.chain.states import WrongMove
from certificates.authority import key_operations as ca_role
from certificates.models import Operation, VaultJob
from certificates.operations.activation_time import limits
from certificates.operations.states import JobState, OperationState
from devices.models import Zone
from faults import Conflict, Unavailable

WITHIN = timedelta(hours=24)
LATE = "Nobody agreed within 24 hours. Nothing was changed."


class TooLateToConfirm(Conflict):
    """The proposal is older than a day, or was decided on already."""

    action = gettext_lazy("Ask for it again.")


@transaction.atomic
def confirm(operation: Operation, *, by: User, now: datetime) -> None:
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
def confirm_job(job: VaultJob, *, by: User, now: datetime) -> None:
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
def refuse_job(job: VaultJob, *, by: User, now: datetime) -> None:
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


def proposed() -> list[VaultJob]:
    """Return the acts on the CA key that wait for a second administrator."""
    waiting = VaultJob.objects.filter(state=JobState.PROPOSED).defer("payload", "result")
    return list(waiting.select_related("requested_by", "server", "target").order_by("created_at"))


def give_up(now: datetime) -> None:
    """Drop what nobody agreed to in time; an activation time that went by is in time no more."""
    past = Q(created_at__lte=now - WITHIN) | Q(activates_at__lte=now)
    for operation in Operation.objects.filter(past, state=OperationState.PROPOSED):
        with suppress(WrongMove):
            Operation.objects.move(operation, OperationState.CANCELLING, note=LATE)
    for job in VaultJob.objects.filter(state=JobState.PROPOSED, created_at__lte=now - WITHIN):
        with suppress(WrongMove):
            withdraw_job(job, now=now, reason=LATE)
