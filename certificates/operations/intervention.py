"""Change the activation time, force a blocked activation, go on without a bridge (D-26)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.models import Operation
from certificates.operations.activation import lacking, left_out
from certificates.operations.activation_time import limits, stamp
from certificates.operations.publication import publish_again
from certificates.operations.states import OperationState
from certificates.trust import readiness
from devices.models import Device, Zone
from faults import Conflict, Refused

State = OperationState
CHANGEABLE = (State.PREPARING, State.REPLICATING, State.ASSIGNED, State.BLOCKED)


@transaction.atomic
def change_activation(operation: Operation, activates_at: datetime, *, now: datetime) -> None:
    """Set another activation time before the lock-out; a new revision is signed and travels."""
    zone = Zone.objects.lock()
    Entry.objects.queue()
    operation.refresh_from_db()
    locks_at = operation.locks_at(zone.lockout)
    late = operation.is_locked(now, zone.lockout) and operation.state != State.BLOCKED
    if operation.state not in CHANGEABLE or late or operation.immediate:
        told = [_("The activation time cannot be changed any more.")]
        if late and locks_at:
            told.append(_("It could be changed until %s.") % stamp(locks_at))
        raise Conflict(
            " ".join([*told, _("Nothing was changed.")]),
            action=_("Reload the page to see how the operation stands."),
        )
    servers = list(Device.objects.filter(futures__operation=operation))
    limits(operation.kind, servers=servers, now=now).check(activates_at)
    before = operation.activates_at
    Operation.objects.filter(pk=operation.pk).update(activates_at=activates_at)
    operation.activates_at = activates_at
    Entry.objects.record(
        "change-activation",
        f"certificates.Operation:{operation.pk}",
        detail={"before": str(before), "after": str(activates_at)},
    )
    if operation.state == State.BLOCKED:
        Operation.objects.move(operation, State.ASSIGNED, reason="", action="")
    publish_again(operation, now=now)


def check_force(operation: Operation, *, now: datetime) -> None:
    """Refuse to force what nothing holds back, and what has nothing to activate."""
    if not operation.is_held:
        raise Conflict(_("Nothing holds the activation back. Nothing was changed."))
    if not operation.futures.ready().exists():
        raise Refused(
            _("No server has a new certificate yet, so there is nothing to activate."),
            action=_("Wait for the certificates, change the activation time, or cancel."),
        )


@transaction.atomic
def force(operation: Operation, *, now: datetime) -> None:
    """Activate although servers lack a certificate: they keep the old one and rely on trust.

    A time that has passed while blocked becomes now plus the lock-out, so that every server
    can still fetch the go before it is due.
    """
    zone = Zone.objects.lock()
    Entry.objects.queue()
    operation.refresh_from_db()
    check_force(operation, now=now)
    left = ", ".join(device.name for device in lacking(operation))
    Operation.objects.filter(pk=operation.pk).update(forced=True)
    operation.forced = True
    _resume(operation, zone, f"forced without {left}" if left else "forced", now=now)


@transaction.atomic
def go_on_without_ignored(operation: Operation, *, now: datetime) -> None:
    """Go on once the servers that held the activation back were ignored.

    A server whose certificate merely came too late does not start it: its time has passed, and
    only an administrator's act may give it another one. That this is all that lacks is told.
    """
    zone = Zone.objects.lock()
    operation.refresh_from_db()
    if operation.state != State.BLOCKED or lacking(operation):
        return
    if not operation.futures.ready().exists() or readiness.shortfalls(operation, zone, now):
        return
    left = ", ".join(device.name for device in left_out(operation))
    if left:
        _resume(operation, zone, f"goes on without {left}", now=now)
    else:
        _tell_that_time_is_all(operation)


def _tell_that_time_is_all(operation: Operation) -> None:
    reason = _("Every server has its new certificate now, but the activation time has passed.")
    action = _("Change the activation time, or force the activation.")
    if operation.reason != reason:
        operation.reason, operation.action = reason, action
        operation.save(update_fields=["reason", "action"])


def _resume(operation: Operation, zone: Zone, note: str, *, now: datetime) -> None:
    activates_at = operation.activates_at
    if activates_at is None or activates_at <= now + zone.lockout:
        activates_at = now + zone.lockout
    Operation.objects.filter(pk=operation.pk).update(activates_at=activates_at)
    operation.activates_at = activates_at
    if operation.state == State.BLOCKED:
        Operation.objects.move(operation, State.ASSIGNED, note=note, reason="", action="")
    else:
        Operation.objects.filter(pk=operation.pk).update(reason="", action="")
        Entry.objects.record("force", f"certificates.Operation:{operation.pk}", note=note)
    publish_again(operation, now=now)


@transaction.atomic
def go_on_without_bridge(operation: Operation) -> None:
    """Stop waiting for a certificate server that cannot sign the bridge any more."""
    Entry.objects.queue()
    operation = Operation.objects.select_for_update().get(pk=operation.pk)
    if operation.state != State.PREPARING:
        raise Conflict(_("The operation is prepared already. Nothing was changed."))
    operation.order["without_bridge"] = True
    operation.save(update_fields=["order"])
    Entry.objects.record("without-bridge", f"certificates.Operation:{operation.pk}")
