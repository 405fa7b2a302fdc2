"""Cancel an operation, and finish or fail the cancel (manual, 1.2.5, 1.2.10, 1.3.3; D-24, D-25)."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.chain.states import WrongMove
from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations.activation_time import stamp
from certificates.operations.distribution import announce, assign_missing
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.identity import zone_keys
from devices.models import Zone
from faults import Conflict, Fault
from systemupdates.assignments import assignment
from systemupdates.models import Notice, Replica, SystemUpdate, plain
from systemupdates.updates.states import UPDATE, ReplicaState, UpdateState
from wire import metadata

log = logging.getLogger(__name__)
State = OperationState


class TooLateToCancel(Conflict):
    """The go is given, or is about to be: cancel and activation exclude each other."""

    action = gettext_lazy(
        "Single devices can still be left out with Ignore Device on the System Updates page."
    )


@transaction.atomic
def cancel(operation: Operation, *, now: datetime) -> None:
    """Begin to cancel. Decided here, inside the transaction, not only by a disabled button."""
    zone = Zone.objects.lock()
    operation.refresh_from_db()
    if not operation.may_cancel(now, zone.lockout):
        raise TooLateToCancel(_why_not(operation, zone, now))
    Operation.objects.move(operation, State.CANCELLING, reason="", action="")


def _why_not(operation: Operation, zone: Zone, now: datetime) -> str:
    locks_at = operation.locks_at(zone.lockout)
    if locks_at is not None and now >= locks_at and operation.is_blocking:
        return _("Cancel was possible until %s. Nothing was changed.") % stamp(locks_at)
    state = operation.get_state_display().lower()
    return _("The operation is %s. Nothing was changed.") % state


def finish_cancel(operation: Operation, *, now: datetime) -> None:
    """Carry the cancel out; on a fault say which step failed, so that it can be tried again."""
    try:
        with transaction.atomic():
            _undo(operation, now)
    except WrongMove:
        # A device reported at the same moment: the next look tries again.
        raise
    except Fault as fault:
        log.warning("Cancel of %s failed: %s", operation.pk, fault)
        Operation.objects.move(
            operation, State.CANCEL_FAILED, reason=fault.explanation, action=fault.action
        )


def _undo(operation: Operation, now: datetime) -> None:
    Zone.objects.lock()
    update = operation.update
    if update is not None:
        announced = operation.changes_ca and update.assigned_at is not None
        if announced:
            # One that joined a moment ago trusts the announced root, too.
            assign_missing(operation)
        _announce_cancel(update)
        assignment.withdraw(update, announced=announced, now=now)
        if UpdateState.CANCELED in UPDATE.moves[update.state]:
            SystemUpdate.objects.move(update, UpdateState.CANCELED)
        for replica in update.replicas.exclude(state=ReplicaState.WITHDRAWN):
            Replica.objects.move(replica, ReplicaState.WITHDRAWN)
    for future in operation.futures.open():
        FutureCertificate.objects.move(future, FutureState.DISCARDED, csr_pem="", chain_pem="")
    future_ca = operation.future_authority
    if operation.changes_ca and future_ca is not None and future_ca.state == AuthorityState.FUTURE:
        left = future_ca.left_of_key
        Authority.objects.move(future_ca, AuthorityState.DISCARDED, sealed_key=left)
    Operation.objects.move(operation, State.CANCELLED, ended_at=now)
    announce()


def _announce_cancel(update: SystemUpdate) -> None:
    notice = metadata.Cancel(
        id=str(update.pk), zone=str(Zone.objects.the().guid), revision=update.revision
    )
    Notice.objects.get_or_create(
        kind=Notice.Kind.CANCEL,
        update=update,
        revision=update.revision,
        defaults={"envelope": plain(zone_keys.here().sign(metadata.CANCEL, notice))},
    )


@transaction.atomic
def clear_failure(operation: Operation) -> None:
    """Clear the message of a failed cancel; Cancel can be tried again (R094)."""
    failed = Operation.objects.filter(pk=operation.pk, state=State.CANCEL_FAILED)
    failed.update(reason="", action="")
