"""Hold the update for all other devices until the pilot group has passed.

The operation is blocked if a device of the pilot group fails, or if too few have passed when the
time limit ends. It continues automatically when the cause is corrected, or when an administrator
continues without the pilot group. While the rest is held, the activation moves, so that the rest
has the minimum lead time afterward.

See: D-279
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from certificates.models import Operation
from certificates.operations.activation import have_all_activated
from certificates.operations.activation_time import format_time
from certificates.operations.distribution import announce_trust_change
from certificates.operations.publication import publish_new_revision
from certificates.operations.states import OperationState
from certificates.pilot.status import PilotStatus, get_status
from certificates.windows.waiting import find_later_time
from console.requests.language import use_english
from devices.models import Zone
from faults import Conflict

State = OperationState
# How the rest was released: by the results, by an administrator, or because servers have
# activated already, before the database was restored from a backup.
PASSED, CONTINUED, ACTIVATED = "passed", "continued", "activated"
AUDIT_ACTIONS = {
    PASSED: "pilot-passed",
    CONTINUED: "continue-after-pilot",
    ACTIVATED: "continue-after-pilot",
}
ACTION = gettext_lazy(
    "Correct the devices, ignore them, continue without them, or cancel the operation."
)


class NotHeld(Conflict):
    """The rest does not wait for a pilot group, or no longer does."""

    action = gettext_lazy("Reload the page to see the current status of the operation.")


def waits_for_pilot(operation: Operation, zone: Zone, *, now: datetime) -> bool:
    """Do what the reports of the pilot group require. Return True if the rest still waits."""
    if not operation.is_held_by_pilot:
        return False
    status = get_status(operation)
    if status.has_passed or have_all_activated(operation):
        # An administrator might have continued at the same time.
        with suppress(NotHeld):
            release(operation, PASSED if status.has_passed else ACTIVATED, now=now)
    elif operation.state != State.BLOCKED:
        problem = status.get_problem(now)
        if not problem and _is_too_early(operation, zone, now):
            problem = _keep_activation_ahead(operation, now=now)
        if problem:
            _block(operation, problem)
    return operation.is_held_by_pilot


def continue_after_pilot(operation: Operation, *, now: datetime) -> None:
    """Let the rest receive the update although the pilot group has not passed.

    Raises NotHeld if it does not wait.
    """
    release(operation, CONTINUED, now=now)


@transaction.atomic
def release(operation: Operation, how: str, *, now: datetime) -> None:
    """Let all devices receive the update. The activation moves if it would be too early for them.

    Raises NotHeld if another process was faster.
    """
    zone = Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    if not operation.is_held_by_pilot or operation.state not in (State.ASSIGNED, State.BLOCKED):
        raise NotHeld(_("The operation does not wait for the pilot group. Nothing was changed."))
    status = get_status(operation)
    pilot = operation.parameters["pilot"] | {"released": how, "released_at": now.isoformat()}
    operation.parameters = operation.parameters | {"pilot": pilot}
    operation.save(update_fields=["parameters"])
    _record(operation, AUDIT_ACTIONS[how], status)
    announce_trust_change()
    with use_english():
        _resume(operation, zone, now, may_move=how != ACTIVATED)


def _record(operation: Operation, action: str, status: PilotStatus) -> None:
    detail = {
        "devices": status.total,
        "passed": status.passed,
        "failed": status.failed,
        "without result": status.waiting,
        "failed devices": list(status.failed_devices),
    }
    Entry.objects.record(action, f"certificates.Operation:{operation.pk}", detail=detail)


def _resume(operation: Operation, zone: Zone, now: datetime, *, may_move: bool) -> None:
    reason = action = ""
    if may_move and _is_too_early(operation, zone, now):
        later = find_later_time(operation, zone, now=now)
        if later is None:
            reason = _("The activation cannot be later, because certificates expire.")
            action = _("Change the activation time, or cancel the operation.")
        else:
            reason = _move(operation, later, now=now)
    is_over = operation.activates_at is not None and operation.activates_at <= now
    if operation.state == State.BLOCKED and not is_over:
        Operation.objects.transition(operation, State.ASSIGNED, reason=reason, action=action)
        return
    Operation.objects.filter(pk=operation.pk).update(reason=reason, action=action)
    operation.reason, operation.action = reason, action


def _is_too_early(operation: Operation, zone: Zone, now: datetime) -> bool:
    """Return True if devices that receive the update now have less than the minimum lead time."""
    return operation.activates_at is not None and operation.activates_at < now + zone.lead_time


@transaction.atomic
def _keep_activation_ahead(operation: Operation, *, now: datetime) -> str:
    """Move the activation to the next allowed time. Return why that is not possible, or ""."""
    zone = Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    expected = operation.state, operation.activates_at
    operation.refresh_from_db()
    if (operation.state, operation.activates_at) != expected or not operation.is_held_by_pilot:
        return ""
    later = find_later_time(operation, zone, now=now)
    if later is None:
        return _(
            "The pilot group has not passed, and the activation cannot be later, because "
            "certificates expire"
        )
    reason = _move(operation, later, now=now)
    Operation.objects.filter(pk=operation.pk).update(reason=reason, action="")
    operation.reason, operation.action = reason, ""
    return ""


def _move(operation: Operation, later: datetime, *, now: datetime) -> str:
    """Set and publish a later activation time. Return a sentence about it."""
    before = operation.activates_at
    Operation.objects.filter(pk=operation.pk).update(activates_at=later)
    operation.refresh_from_db()
    Entry.objects.record(
        "wait-for-pilot",
        f"certificates.Operation:{operation.pk}",
        detail={"before": str(before), "after": str(later)},
    )
    publish_new_revision(operation, now=now)
    text = _("The activation was moved to %s, so that all devices have time after the pilot group.")
    return text % format_time(later)


def _block(operation: Operation, problem: str) -> None:
    reason = _("%s. The other devices do not receive the update.") % problem.rstrip(".")
    Operation.objects.transition(
        operation, State.BLOCKED, note=problem[:500], reason=reason, action=str(ACTION)
    )
