"""Assign the update of an operation: after replication, or by Assign Now (R050 to R054).

A server that joins while the zone CA is being replaced takes part in that, too.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from certificates.issuance.names import order_for
from certificates.models import FutureCertificate, Operation
from certificates.operations.states import OperationState
from devices.models import Device, Zone
from faults import Conflict
from systemupdates.assignments import assignment
from systemupdates.models import SystemUpdate
from systemupdates.updates.states import UpdateState

State = OperationState


def assign_now(operation: Operation, *, now: datetime) -> None:
    """Assign by hand before replication is complete; stages of the zone are ignored (R077)."""
    if operation.state != State.REPLICATING:
        raise Conflict(
            _("The update is not waiting for assignment any more. Nothing was changed."),
            action=_("Reload the page to see how the operation stands."),
        )
    assign(operation, now=now, by_hand=True)


@transaction.atomic
def assign(operation: Operation, *, now: datetime, by_hand: bool = False) -> None:
    """Give every target its assignment and offer the update to the first of them."""
    Zone.objects.lock()
    update = _update_of(operation)
    Operation.objects.move(operation, State.ASSIGNED)
    if update.state == UpdateState.REPLICATING and not by_hand:
        SystemUpdate.objects.move(update, UpdateState.REPLICATED)
    SystemUpdate.objects.move(
        update, UpdateState.ASSIGNED, assigned_at=now, assigned_by_hand=by_hand
    )
    assign_missing(operation)
    assignment.offer(update, now=now, refresh=Zone.objects.the().refresh)
    if operation.changes_ca:
        announce()


def assign_missing(operation: Operation) -> int:
    """Assign to every target that has no assignment yet: also to those that joined since."""
    update = _update_of(operation)
    if operation.changes_ca:
        return assignment.assign(update)
    targets = operation.futures.values_list("device_id", flat=True)
    return assignment.assign(update, only=list(targets))


def announce() -> None:
    """Let every device hear of changed trust: cached answers of the zone are stale now."""
    zone = Zone.objects.lock()
    zone.revision += 1
    zone.save(update_fields=["revision"])


def _update_of(operation: Operation) -> SystemUpdate:
    if operation.update is None:
        raise Conflict(_("The operation has no system update yet."))
    return operation.update


# Until the activation; from then on its first certificate is of the new CA.
UNDER_WAY = (State.PREPARING, State.REPLICATING, State.ASSIGNED, State.BLOCKED, State.ACTIVATING)


def join(device: Device) -> None:
    """Expect the future certificate of a server that none is expected for yet.

    Without it the server would stay with a certificate of the old CA, whose trust ends.
    """
    for operation in Operation.objects.of_ca().filter(state__in=UNDER_WAY):
        if operation.futures.open().filter(device=device).exists():
            continue
        order = operation.order
        wanted = order_for(
            device, key_length=order["key_length"], include_dns=order.get("include_dns", False)
        )
        subject = order.get("subject")
        # The subject of an internal CA is a text, that of servers a set of fields.
        extra = subject if isinstance(subject, dict) else {}
        FutureCertificate.objects.create(
            device=device,
            operation=operation,
            authority=operation.future_authority,
            order={**wanted, **{name: value for name, value in extra.items() if value}},
            by_hand=order.get("by_hand", False),
        )
