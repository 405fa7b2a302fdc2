"""Change the activation time, force the activation, or skip the cross-certificate (D-26)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.models import Operation
from certificates.operations.activation import get_blocking_servers, get_ignored_servers
from certificates.operations.activation_time import format_time, get_limits
from certificates.operations.publication import publish_new_revision
from certificates.operations.states import OperationState
from certificates.trust import readiness
from certificates.windows import waiting
from devices.models import Device, Zone
from faults import Conflict, Refused

State = OperationState
CHANGEABLE = (State.PREPARING, State.REPLICATING, State.ASSIGNED, State.BLOCKED)


@transaction.atomic
def change_activation_time(
    operation: Operation, activates_at: datetime, *, now: datetime, override: str = ""
) -> None:
    """Set another activation time and publish it as a new revision of the update.

    `override` is the reason for a time outside the maintenance windows.

    Raises Conflict if the freeze period has begun and the operation is not blocked.
    """
    zone = Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    freezes_at = operation.freezes_at(zone.freeze_period)
    is_frozen = operation.is_frozen(now, zone.freeze_period) and operation.state != State.BLOCKED
    if operation.state not in CHANGEABLE or is_frozen or operation.immediate:
        sentences = [_("The activation time can no longer be changed.")]
        if is_frozen and freezes_at:
            sentences.append(_("It could be changed until %s.") % format_time(freezes_at))
        raise Conflict(
            " ".join([*sentences, _("Nothing was changed.")]),
            action=_("Reload the page to see the current status of the operation."),
        )
    servers = list(Device.objects.filter(futures__operation=operation))
    limits = get_limits(operation.kind, servers=servers, now=now)
    limits.check(activates_at)
    limits.check_window(activates_at, override=override)
    waiting.record_override(operation, "" if limits.schedule.is_open(activates_at) else override)
    before = operation.activates_at
    changes = {"reason": "", "action": ""} if operation.state == State.ASSIGNED else {}
    Operation.objects.filter(pk=operation.pk).update(activates_at=activates_at, **changes)
    operation.refresh_from_db()
    Entry.objects.record(
        "change-activation",
        f"certificates.Operation:{operation.pk}",
        detail={"before": str(before), "after": str(activates_at)},
    )
    # An operation that is waiting for the pilot group is still blocked, with the same reason.
    if operation.state == State.BLOCKED and not operation.is_held_by_pilot:
        Operation.objects.transition(operation, State.ASSIGNED, reason="", action="")
    publish_new_revision(operation, now=now)


def check_force_activation(operation: Operation, *, now: datetime) -> None:
    """Raise a fault if the activation is not blocked or no server has a new certificate."""
    if not operation.can_be_forced:
        raise Conflict(_("The activation is not blocked. Nothing was changed."))
    if not operation.futures.ready().exists():
        raise Refused(
            _("There is nothing to activate because no server has a new certificate yet."),
            action=_(
                "Wait for the certificates, change the activation time, or cancel the operation."
            ),
        )


@transaction.atomic
def force_activation(operation: Operation, *, now: datetime) -> None:
    """Force the activation. Servers without a new certificate keep the old one.

    If the activation time has passed, it becomes the end of a freeze period that begins now, so
    that every server can receive the activation order in time.
    """
    zone = Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    check_force_activation(operation, now=now)
    names = ", ".join(device.name for device in get_blocking_servers(operation))
    Operation.objects.filter(pk=operation.pk).update(forced=True)
    operation.forced = True
    _resume(operation, zone, f"forced without {names}" if names else "forced", now=now)


@transaction.atomic
def continue_without_ignored_servers(operation: Operation, *, now: datetime) -> None:
    """Resume a blocked operation whose activation time has passed, if its servers were ignored.

    If the servers got their certificates instead, an administrator must set another time or force
    the activation. The operation then shows this as its reason.
    """
    zone = Zone.objects.lock()
    operation.refresh_from_db()
    if operation.state != State.BLOCKED or get_blocking_servers(operation):
        return
    if not operation.futures.ready().exists() or readiness.list_shortfalls(operation, zone, now):
        return
    names = ", ".join(device.name for device in get_ignored_servers(operation))
    if names:
        _resume(operation, zone, f"continued without {names}", now=now)
    else:
        _explain_time_passed(operation)


def _explain_time_passed(operation: Operation) -> None:
    reason = _("All servers now have their new certificates, but the activation time has passed.")
    action = _("Change the activation time, or force the activation.")
    if operation.reason != reason:
        operation.reason, operation.action = reason, action
        operation.save(update_fields=["reason", "action"])


def _resume(operation: Operation, zone: Zone, note: str, *, now: datetime) -> None:
    activates_at = operation.activates_at
    if activates_at is None or activates_at <= now + zone.freeze_period:
        activates_at = now + zone.freeze_period
    Operation.objects.filter(pk=operation.pk).update(activates_at=activates_at)
    operation.activates_at = activates_at
    if operation.state == State.BLOCKED:
        Operation.objects.transition(operation, State.ASSIGNED, note=note, reason="", action="")
    else:
        Operation.objects.filter(pk=operation.pk).update(reason="", action="")
        Entry.objects.record("force", f"certificates.Operation:{operation.pk}", note=note)
    publish_new_revision(operation, now=now)


@transaction.atomic
def continue_without_cross_certificate(operation: Operation) -> None:
    """Continue the preparation without the cross-certificate of a lost certificate server."""
    Entry.objects.lock_checkpoint()
    operation = Operation.objects.select_for_update().get(pk=operation.pk)
    if operation.state != State.PREPARING:
        raise Conflict(_("The operation has already been prepared. Nothing was changed."))
    operation.parameters["without_cross_certificate"] = True
    operation.save(update_fields=["parameters"])
    Entry.objects.record("without-bridge", f"certificates.Operation:{operation.pk}")
