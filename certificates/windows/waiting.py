"""Operations wait if their activation time is no longer in a maintenance window.

A window or change freeze can be changed after an operation was started. The activation time then
becomes the next one that is allowed.

See: D-274
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.models import Entry
from certificates.models import Operation, ServerCertificate
from certificates.operations.activation_time import format_time, get_limits
from certificates.operations.publication import publish_new_revision
from certificates.operations.states import OperationState
from certificates.windows.rules import Schedule
from certificates.windows.settings import load_schedule
from devices.models import Device, Zone
from faults import Fault

State = OperationState
OVERRIDE = "window_override"
EXPIRES_FIRST = gettext_noop("A certificate expires before the next maintenance window closes.")


@dataclass(frozen=True)
class Move:
    """Where an activation can be moved: to `to`, or nowhere if it is None."""

    to: datetime | None
    reason: str


def get_override(operation: Operation) -> str:
    """Return the reason for an activation outside the maintenance windows, or ""."""
    return str(operation.parameters.get(OVERRIDE, ""))


def record_override(operation: Operation, reason: str) -> None:
    """Store why an operation may be activated outside the windows. With "", it may not."""
    if reason == get_override(operation):
        return
    parameters = {key: value for key, value in operation.parameters.items() if key != OVERRIDE}
    operation.parameters = parameters | ({OVERRIDE: reason} if reason else {})
    operation.save(update_fields=["parameters"])
    audit_override(operation)


def audit_override(operation: Operation) -> None:
    """Record that an operation may be activated outside the windows, if it may."""
    reason = get_override(operation)
    if reason:
        subject = f"certificates.Operation:{operation.pk}"
        Entry.objects.record("override-window", subject, note=reason)


def is_outside_windows(operation: Operation, *, now: datetime) -> bool:
    """Return True if an operation may not be activated at its time."""
    return _is_outside(operation, load_schedule(now))


def wait_for_window(operation: Operation, *, now: datetime) -> bool:
    """Move an activation that is not in a window to the next one. Return True if it must wait.

    If there is no next one before the certificates expire, the operation is blocked.
    """
    with transaction.atomic():
        zone = Zone.objects.lock()
        Entry.objects.lock_checkpoint()
        expected = operation.state, operation.activates_at
        operation.refresh_from_db()
        schedule = load_schedule(now)
        if (operation.state, operation.activates_at) != expected:
            return True
        if not _is_outside(operation, schedule):
            return False
        if _expires_before_opening(operation, schedule):
            record_override(operation, EXPIRES_FIRST)
            return False
        _move(operation, _find_move(operation, schedule, zone, now), now=now)
    return True


def _is_outside(operation: Operation, schedule: Schedule) -> bool:
    if not schedule.restricts or operation.immediate or get_override(operation):
        return False
    at = operation.activates_at
    return at is not None and not schedule.is_open(at)


def _expires_before_opening(operation: Operation, schedule: Schedule) -> bool:
    """Return True for a renewal if one of its certificates expires before the window closes."""
    at = operation.activates_at
    if operation.requested_by_id is not None or operation.changes_ca or at is None:
        return False
    servers = operation.futures.open().values_list("device_id", flat=True)
    return expires_before_opening(schedule, at, servers)


def expires_before_opening(schedule: Schedule, after: datetime, servers: Iterable[UUID]) -> bool:
    """Return True if a certificate of these servers expires before the next opening ends."""
    opening = schedule.find_opening(after)
    if opening is None:
        return True
    until = opening.ends_at or opening.begins_at
    rows = ServerCertificate.objects.current().filter(device__in=servers)
    return rows.filter(not_after__lte=until).exists()


def find_later_time(operation: Operation, zone: Zone, *, now: datetime) -> datetime | None:
    """Return the next allowed activation time of a CA operation, or None if there is none.

    Devices receive it before the freeze period begins again.
    """
    allowed = get_limits(operation.kind, now=now)
    override = get_override(operation)
    soonest = now + 2 * zone.freeze_period
    later = max(allowed.early_before if override else allowed.suggestion, soonest)
    opening = None if override else allowed.schedule.find_opening(later)
    later = opening.begins_at if opening is not None else later
    try:
        allowed.check(later)
    except Fault:
        return None
    return later


def _find_move(operation: Operation, schedule: Schedule, zone: Zone, now: datetime) -> Move:
    at = operation.activates_at or now
    freeze = schedule.get_freeze(at)
    reason = _("No maintenance window is open at %s.") % format_time(at)
    if freeze is not None:
        text = _("The change freeze “%(reason)s” is in force at %(at)s.")
        reason = text % {"reason": freeze.reason, "at": format_time(at)}
    # Devices must receive the new time before the freeze period begins again.
    opening = schedule.find_opening(max(at, now + 2 * zone.freeze_period))
    if opening is None:
        return Move(None, reason)
    servers = None
    if not operation.changes_ca:
        servers = list(Device.objects.filter(futures__operation=operation).distinct())
    try:
        get_limits(operation.kind, servers=servers, now=now).check(opening.begins_at)
    except Fault:
        return Move(None, reason)
    return Move(opening.begins_at, reason)


def _move(operation: Operation, move: Move, *, now: datetime) -> None:
    before = operation.activates_at
    action = _("You can change the activation time.")
    if move.to is None:
        reason = _("%s No later time is open before the certificates expire.") % move.reason
        if operation.state != State.BLOCKED:
            Operation.objects.transition(
                operation, State.BLOCKED, note=reason[:500], reason=reason, action=action
            )
        return
    text = _("%(why)s The activation was moved to %(at)s.")
    reason = text % {"why": move.reason, "at": format_time(move.to)}
    Operation.objects.filter(pk=operation.pk).update(
        activates_at=move.to, reason=reason, action=action
    )
    operation.refresh_from_db()
    Entry.objects.record(
        "wait-for-window",
        f"certificates.Operation:{operation.pk}",
        note=move.reason,
        detail={"before": str(before), "after": str(move.to)},
    )
    if operation.state == State.BLOCKED:
        Operation.objects.transition(operation, State.ASSIGNED)
    publish_new_revision(operation, now=now)
