"""Force and Roll back where two administrators are needed: ask, agree, refuse (B-29, S-46).

What was asked for stands on the operation and does nothing; whether it is possible is looked at
when it is asked for, and again, in the act itself, when the second administrator agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from administrators.accounts.policies import check_second
from administrators.models import Rules
from audit.models import Entry
from certificates.approvals.approvals import LATE, WITHIN, TooLateToConfirm
from certificates.models import Operation
from certificates.operations import intervention, rollback
from devices.models import Zone
from faults import Conflict, Fault

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
def confirm(operation: Operation, act: str, *, by: User, now: datetime) -> None:
    """Let an act happen, as the second of two administrators."""
    first = _waiting(operation, act, now)
    check_second(by, first=first)
    asked = first.username if first is not None else ""
    _forget(operation)
    _note(f"confirm-{act}", operation, f"asked for by {asked}")
    ACTS[act](operation, now=now)


@transaction.atomic
def refuse(operation: Operation, act: str, *, by: User, now: datetime) -> None:
    """Give up what was asked for: whoever asked withdraws it, anybody else refuses it."""
    first = _waiting(operation, act, now)
    _forget(operation)
    _note(f"{'withdraw' if first == by else 'refuse'}-{act}", operation)


def waiting(now: datetime) -> list[Operation]:
    """Return the operations for which an act waits for a second administrator."""
    found = Operation.objects.exclude(asked_act="").filter(asked_at__gt=now - WITHIN)
    return list(found.select_related("asked_by").order_by("asked_at"))


def give_up(now: datetime) -> None:
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
