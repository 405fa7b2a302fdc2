"""Assign the update of an operation, after replication or by Assign Now.

Servers that register while the zone CA is being replaced are included.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from certificates.issuance.names import build_csr_parameters
from certificates.models import FutureCertificate, Operation
from certificates.operations.states import AuthorityState, OperationState
from certificates.pilot import members
from devices.models import Device, Zone
from faults import Conflict
from systemupdates.assignments import assignment
from systemupdates.models import SystemUpdate
from systemupdates.updates.states import UpdateState

State = OperationState


def assign_now(operation: Operation, *, now: datetime) -> None:
    """Assign the update before replication is complete.

    Raises Conflict if the update has already been assigned or canceled.
    """
    if operation.state != State.REPLICATING:
        raise Conflict(
            _("The update has already been assigned or canceled. Nothing was changed."),
            action=_("Reload the page to see the current status of the operation."),
        )
    assign(operation, now=now, is_manual=True)


@transaction.atomic
def assign(operation: Operation, *, now: datetime, is_manual: bool = False) -> None:
    """Assign the update to its targets and offer it to the first wave, or to the pilot group."""
    Zone.objects.lock()
    update = _update_of(operation)
    pilot = members.load_settings(operation)
    if pilot is not None:
        members.hold_rest(operation, pilot, now=now)
    Operation.objects.transition(operation, State.ASSIGNED)
    if update.state == UpdateState.REPLICATING and not is_manual:
        SystemUpdate.objects.transition(update, UpdateState.REPLICATED)
    SystemUpdate.objects.transition(
        update, UpdateState.ASSIGNED, assigned_at=now, assigned_manually=is_manual
    )
    assign_missing(operation)
    if pilot is not None:
        members.mark(operation, update, pilot)
    is_held = operation.is_held_by_pilot
    assignment.offer(update, now=now, refresh=Zone.objects.get_zone().refresh, is_held=is_held)
    if operation.changes_ca and not is_held:
        announce_trust_change()


def assign_missing(operation: Operation) -> int:
    """Assign the update to targets without an assignment. Return the number of assignments."""
    update = _update_of(operation)
    if operation.changes_ca:
        wave = assignment.REST_WAVE if operation.is_held_by_pilot else assignment.OTHERS_WAVE
        return assignment.assign(update, wave=wave)
    targets = operation.futures.values_list("device_id", flat=True)
    return assignment.assign(update, only=list(targets))


def announce_trust_change() -> None:
    """Increase the zone revision, so that every device receives the changed trust."""
    Zone.objects.lock()
    Zone.objects.advance_revision()


def _update_of(operation: Operation) -> SystemUpdate:
    if operation.update is None:
        raise Conflict(_("The system update for this operation has not been created yet."))
    return operation.update


# After the activation, the new CA signs the initial certificate of a server.
BEFORE_ACTIVATION = (
    *(State.PREPARING, State.REPLICATING, State.ASSIGNED),
    *(State.BLOCKED, State.ACTIVATING),
)


def add_server(device: Device) -> None:
    """Create the future certificate of a server that registered during a CA operation.

    Otherwise, the server would keep a certificate of the old CA, which is going to be retired.
    """
    for operation in Operation.objects.of_ca().filter(state__in=BEFORE_ACTIVATION):
        if operation.futures.open().filter(device=device).exists():
            continue
        order = operation.parameters
        wanted = build_csr_parameters(
            device, key_length=order["key_length"], include_dns=order.get("include_dns", False)
        )
        subject = order.get("subject")
        # For an internal CA, this is the subject of the CA. For an external CA, it is a set of
        # fields for the subjects of the servers.
        extra = subject if isinstance(subject, dict) else {}
        FutureCertificate.objects.create(
            device=device,
            operation=operation,
            authority=operation.future_authority,
            csr_parameters={**wanted, **{name: value for name, value in extra.items() if value}},
            manual_csr=order.get("manual_csr", False),
        )


def list_superseded_updates(device: Device) -> list[UUID]:
    """Return the updates of an earlier CA that were complete when a device last registered.

    It received the trust of the zone CA with its registration, and would reject them as outdated.
    """
    completed = Operation.objects.filter(state=State.COMPLETED, ended_at__lt=device.registered_at)
    completed = completed.exclude(update=None)
    new_ca = Coalesce("future_authority__state", "authority__state")
    older = completed.annotate(ca_state=new_ca).exclude(ca_state=AuthorityState.CURRENT)
    return list(older.values_list("update", flat=True))
