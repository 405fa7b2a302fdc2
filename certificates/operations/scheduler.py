"""Advance an operation: one look at the rows, at most one move. Harmless to repeat.

The life of an operation: PREPARING (make CA, sign manifest) > REPLICATING > ASSIGNED (devices
apply, servers get certificates) > ACTIVATING (the go is out) > ACTIVATED > COMPLETED.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from certificates.models import Operation
from certificates.operations.activation import activate, complete, give_go, promote
from certificates.operations.cancellation import finish_cancel
from certificates.operations.distribution import assign, assign_missing
from certificates.operations.intervention import go_on_without_ignored
from certificates.operations.rollback import finish as finish_roll_back
from certificates.operations.states import OperationState
from devices.models import Zone
from systemupdates.assignments import assignment, rollout

State = OperationState


def advance(operation: Operation, *, now: datetime) -> None:
    """Take the step the operation is ready for, if any."""
    step = STEPS.get(State(operation.state))
    if step is not None:
        step(operation, now)
    if operation.update is not None:
        # Not OPERATION.closed: what is completed may still be rolled back.
        rollout.note(operation.update, now=now, last_word=operation.ended_at is not None)


def _replicating(operation: Operation, now: datetime) -> None:
    if operation.update is None:
        return
    # Under an expired CA no content server can report; what it lacks it fetches as it recovers.
    if operation.immediate or not operation.update.replicas.missing().exists():
        assign(operation, now=now)


def _spread(operation: Operation, zone: Zone, now: datetime) -> None:
    """Reach those that joined since, and the next wave: also while or after others activate."""
    if operation.update is None:
        return
    if operation.state != State.ACTIVATED:
        assign_missing(operation)
    assignment.offer(operation.update, now=now, refresh=zone.refresh)


def _assigned(operation: Operation, now: datetime) -> None:
    zone = Zone.objects.the()
    _spread(operation, zone, now)
    if is_due(operation, zone, now):
        give_go(operation, now=now)


def is_due(operation: Operation, zone: Zone, now: datetime) -> bool:
    """Tell whether the go is to be given: from the lock-out on, at once when Immediate."""
    locks_at = operation.locks_at(zone.lockout)
    return operation.immediate or (locks_at is not None and now >= locks_at)


def _blocked(operation: Operation, now: datetime) -> None:
    """Go on by itself while the announced time has not passed, or once who is late is ignored."""
    _spread(operation, Zone.objects.the(), now)
    if operation.immediate or (operation.activates_at is not None and now < operation.activates_at):
        give_go(operation, now=now)
    else:
        go_on_without_ignored(operation, now=now)


def _activating(operation: Operation, now: datetime) -> None:
    _spread(operation, Zone.objects.the(), now)
    if operation.activates_at is not None and now >= operation.activates_at:
        activate(operation, now=now)


def _activated(operation: Operation, now: datetime) -> None:
    _spread(operation, Zone.objects.the(), now)
    _tell_cut_off(operation, now)
    update = operation.update
    # Asked first: what a device reports while the others are promoted is for the next look.
    settled = update is not None and assignment.settled(update)
    promote(operation, now=now)
    if settled:
        complete(operation, now=now)


def _tell_cut_off(operation: Operation, now: datetime) -> None:
    """Tell which silent devices have no way back over TLS: no bridge, or an expired root (D-29)."""
    old, since = operation.authority, operation.activated_at
    if not operation.changes_ca or operation.update is None or old is None or since is None:
        return
    bridged = old.bridges_signed.filter(subject=operation.future_authority).exists()
    if now >= since + 2 * Zone.objects.the().refresh and (old.has_expired(now) or not bridged):
        assignment.cut_off(operation.update, since=since, now=now)


STEPS: dict[State, Callable[[Operation, datetime], None]] = {
    State.REPLICATING: _replicating,
    State.ASSIGNED: _assigned,
    State.BLOCKED: _blocked,
    State.ACTIVATING: _activating,
    State.ACTIVATED: _activated,
    State.CANCELLING: lambda operation, now: finish_cancel(operation, now=now),
    State.ROLLING_BACK: lambda operation, now: finish_roll_back(operation, now=now),
}
