"""Cancel an operation.

See: manual 1.2.5, 1.2.10, 1.3.3; D-24; D-25
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.chain.states import InvalidTransition
from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations.activation_time import format_time
from certificates.operations.distribution import announce_trust_change, assign_missing
from certificates.operations.publication import get_next_version
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.identity import zone_keys
from devices.models import Zone
from faults import Conflict, Fault
from systemupdates.assignments import assignment
from systemupdates.models import Replica, SystemUpdate, TrustNotice, serialize_envelope
from systemupdates.updates.states import UPDATE, ReplicaState, UpdateState
from wire import metadata

log = logging.getLogger(__name__)
State = OperationState


class TooLateToCancel(Conflict):
    """The freeze period has begun or the operation has ended."""

    action = gettext_lazy(
        "You can still exclude individual devices with Ignore Device on the System Updates page."
    )


@transaction.atomic
def cancel(operation: Operation, *, now: datetime, note: str = "") -> None:
    """Start canceling an operation. Raises TooLateToCancel if it can no longer be canceled.

    The audit entry has the `note`: why a second administrator rejected the operation.
    """
    zone = Zone.objects.lock()
    operation.refresh_from_db()
    if not operation.can_cancel(now, zone.freeze_period):
        raise TooLateToCancel(_rejection_reason(operation, zone, now))
    Operation.objects.transition(operation, State.CANCELING, note=note, reason="", action="")


def _rejection_reason(operation: Operation, zone: Zone, now: datetime) -> str:
    freezes_at = operation.freezes_at(zone.freeze_period)
    if freezes_at is not None and now >= freezes_at and operation.is_blocking:
        return _("The operation could be canceled until %s. Nothing was changed.") % format_time(
            freezes_at
        )
    return (
        _("The operation cannot be canceled because its status is “%s”. Nothing was changed.")
        % operation.get_state_display()
    )


def finish_cancellation(operation: Operation, *, now: datetime) -> None:
    """Withdraw everything that was prepared.

    On a fault, the operation becomes CANCEL_FAILED with the reason, and can be canceled again.
    """
    try:
        with transaction.atomic():
            _withdraw(operation, now)
    except InvalidTransition:
        # A device reported at the same time. The scheduler tries again.
        raise
    except Fault as fault:
        log.warning("Could not cancel %s: %s", operation.pk, fault)
        Operation.objects.transition(
            operation, State.CANCEL_FAILED, reason=fault.explanation, action=fault.action
        )


def _withdraw(operation: Operation, now: datetime) -> None:
    Zone.objects.lock()
    update = operation.update
    if update is not None:
        announced = operation.changes_ca and update.assigned_at is not None
        announced = announced and not operation.is_held_by_pilot
        if announced:
            # Devices that registered since then also trust the new root.
            assign_missing(operation)
        _sign_cancel_notice(update, now)
        assignment.cancel_assignments(update, announced=announced, now=now)
        if UPDATE.can_change(update.state, UpdateState.CANCELED):
            SystemUpdate.objects.transition(update, UpdateState.CANCELED)
        for replica in update.replicas.exclude(state=ReplicaState.WITHDRAWN):
            Replica.objects.transition(replica, ReplicaState.WITHDRAWN)
    for future in operation.futures.open():
        FutureCertificate.objects.transition(
            future, FutureState.DISCARDED, csr_pem="", chain_pem=""
        )
    future_ca = operation.future_authority
    if operation.changes_ca and future_ca is not None and future_ca.state == AuthorityState.FUTURE:
        left = future_ca.remaining_key
        Authority.objects.transition(future_ca, AuthorityState.DISCARDED, sealed_key=left)
    Operation.objects.transition(operation, State.CANCELED, ended_at=now)
    announce_trust_change()


def _sign_cancel_notice(update: SystemUpdate, now: datetime) -> None:
    # Devices can have a later revision than a database that was restored from a backup.
    revision = get_next_version(update.revision, now)
    notice = metadata.Cancellation(
        id=str(update.pk), zone=str(Zone.objects.get_zone().guid), revision=revision
    )
    TrustNotice.objects.create(
        kind=TrustNotice.Kind.CANCELLATION,
        update=update,
        revision=revision,
        envelope=serialize_envelope(zone_keys.get_keyring().sign(metadata.CANCELLATION, notice)),
    )


@transaction.atomic
def clear_failure(operation: Operation) -> None:
    """Clear the message of a failed cancellation. Cancel can be tried again."""
    failed = Operation.objects.filter(pk=operation.pk, state=State.CANCEL_FAILED)
    failed.update(reason="", action="")
