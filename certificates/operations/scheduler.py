"""Advance an operation by at most one state. Calls can be repeated.

The states of an operation: PREPARING (create the CA, sign the manifest) > REPLICATING > ASSIGNED
(devices apply the update, servers get certificates) > ACTIVATING (the activation order is signed)
> ACTIVATED > COMPLETED.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from certificates.models import Operation
from certificates.operations.activation import (
    activate,
    activate_certificates,
    complete,
    have_all_activated,
    sign_activation_order,
    waits_for_window,
)
from certificates.operations.cancellation import finish_cancellation
from certificates.operations.distribution import assign, assign_missing
from certificates.operations.intervention import continue_without_ignored_servers
from certificates.operations.rollback import finish_rollback
from certificates.operations.states import OperationState
from certificates.pilot import waiting as pilot
from devices.models import Zone
from systemupdates.assignments import assignment, rollout

State = OperationState


def advance(operation: Operation, *, now: datetime) -> None:
    """Run the step that the operation is ready for, if any."""
    step = STEPS.get(State(operation.state))
    if step is not None:
        step(operation, now)
    if operation.update is not None:
        # Not OPERATION.closed, because a completed operation can be rolled back.
        rollout.record_sample(operation.update, now=now, is_final=operation.ended_at is not None)


def _replicating(operation: Operation, now: datetime) -> None:
    if operation.update is None:
        return
    # With an expired CA, content servers cannot report. They get the content when they recover.
    if operation.immediate or not operation.update.replicas.missing().exists():
        assign(operation, now=now)


def _assign_and_offer(operation: Operation, zone: Zone, now: datetime) -> None:
    """Assign the update to new devices and offer it to the next deployment stage."""
    if operation.update is None:
        return
    if operation.state != State.ACTIVATED:
        assign_missing(operation)
    is_held = operation.is_held_by_pilot
    assignment.offer(operation.update, now=now, refresh=zone.refresh, is_held=is_held)


def _assigned(operation: Operation, now: datetime) -> None:
    zone = Zone.objects.get_zone()
    waits_for_pilot = pilot.waits_for_pilot(operation, zone, now=now)
    _assign_and_offer(operation, zone, now)
    if waits_for_pilot:
        return
    # Before the freeze period, so that devices receive the new time early.
    if waits_for_window(operation, now=now):
        return
    if is_activation_order_due(operation, zone, now):
        sign_activation_order(operation, now=now)


def is_activation_order_due(operation: Operation, zone: Zone, now: datetime) -> bool:
    """Return True when the freeze period has begun or the activation is immediate."""
    freezes_at = operation.freezes_at(zone.freeze_period)
    return operation.immediate or (freezes_at is not None and now >= freezes_at)


def _blocked(operation: Operation, now: datetime) -> None:
    """Resume automatically before the activation time, or when the blocking servers are ignored.

    Or when the devices of the pilot group that have not passed are corrected or ignored (D-279).
    Also if the servers have activated already: the database was restored from a backup (D-165).
    """
    zone = Zone.objects.get_zone()
    if operation.is_held_by_pilot:
        pilot.waits_for_pilot(operation, zone, now=now)
        _assign_and_offer(operation, zone, now)
        return
    _assign_and_offer(operation, zone, now)
    has_time = operation.activates_at is not None and now < operation.activates_at
    if operation.immediate or has_time or have_all_activated(operation):
        sign_activation_order(operation, now=now)
    else:
        continue_without_ignored_servers(operation, now=now)


def _activating(operation: Operation, now: datetime) -> None:
    _assign_and_offer(operation, Zone.objects.get_zone(), now)
    if operation.activates_at is not None and now >= operation.activates_at:
        activate(operation, now=now)


def _activated(operation: Operation, now: datetime) -> None:
    _assign_and_offer(operation, Zone.objects.get_zone(), now)
    _mark_devices_cut_off(operation, now)
    update = operation.update
    # Checked first: reports that arrive in the meantime are processed in the next run.
    settled = update is not None and assignment.is_settled(update)
    activate_certificates(operation, now=now)
    if settled:
        complete(operation, now=now)


def _mark_devices_cut_off(operation: Operation, now: datetime) -> None:
    """Mark offline devices that cannot reconnect over TLS and need the Certificate Remint Tool.

    There is no cross-certificate, or the old root has expired.

    See: D-29
    """
    old, since = operation.authority, operation.activated_at
    if not operation.changes_ca or operation.update is None or old is None or since is None:
        return
    bridged = old.cross_certificates_signed.filter(subject=operation.future_authority).exists()
    if now >= since + 2 * Zone.objects.get_zone().refresh and (old.has_expired(now) or not bridged):
        assignment.mark_devices_without_contact(operation.update, since=since, now=now)


STEPS: dict[State, Callable[[Operation, datetime], None]] = {
    State.REPLICATING: _replicating,
    State.ASSIGNED: _assigned,
    State.BLOCKED: _blocked,
    State.ACTIVATING: _activating,
    State.ACTIVATED: _activated,
    State.CANCELING: lambda operation, now: finish_cancellation(operation, now=now),
    State.ROLLING_BACK: lambda operation, now: finish_rollback(operation, now=now),
}
