"""Operations: how they stand, and the acts on a running one (manual, 1.2.5, 1.2.10, 1.3.3)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from pydantic import Field

from certificates import tasks
from certificates.approvals import approvals
from certificates.approvals import approvals as certificates_approvals
from certificates.authority import gates
from certificates.authority.api import GateOut
from certificates.models import Operation
from certificates.operations import cancellation, distribution, intervention
from certificates.progress import counts as operation_counts
from certificates.progress import progress
from console.rest.api import Moment, Order, Page, Paging, Text, by_guid, by_number, having, page
from devices.models import Zone
from faults import Conflict
from systemupdates.content import replication
from systemupdates.models import Replica

router = Router(tags=["operations"])
MAY_CHANGE = having(gates.CA_RIGHT)
MAY_CONFIRM = having(gates.CA_RIGHT, proved=True)
MAY_DEPLOY = having(gates.DEPLOY_RIGHT)


class OperationOut(Schema):
    """A Change CA, Remint CA or Remint Certificate; `reason` and `action` tell of a failure."""

    id: UUID = Field(validation_alias="guid")
    kind: str
    state: str
    name: str
    requested_by: str = ""
    asked_act: str = Field(description="what waits for a second administrator: force, roll-back")
    asked_by: str = ""
    update_id: UUID | None
    authority_id: UUID | None
    future_authority_id: UUID | None
    activates_at: datetime | None
    immediate: bool
    forced: bool
    reason: str
    action: str
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None

    @staticmethod
    def resolve_requested_by(operation: Any) -> str:
        """Return who started it; "" for the system itself."""
        return _name(operation, "requested_by")

    @staticmethod
    def resolve_asked_by(operation: Any) -> str:
        """Return who asked for what waits; "" where nothing does."""
        return _name(operation, "asked_by")


def _name(operation: Any, field: str) -> str:
    is_row = isinstance(operation, Operation)
    by = getattr(operation, field) if is_row else operation[field]
    return by.get_username() if by else ""


class StageOut(Schema):
    """One of the five stages; `mark` is done, now or bad, "" for one that is to come."""

    number: int
    name: str
    note: str
    mark: str
    share: list[int] | None = None


class CountsOut(Schema):
    """How many content servers, devices, servers and new certificates are in which state."""

    replicas: dict[str, int]
    devices: dict[str, int]
    servers: dict[str, int]
    futures: dict[str, int]


class ProgressOut(OperationOut):
    """An operation with its stages and counts, and with what can be done about it now."""

    headline: str
    stages: list[StageOut]
    counts: CountsOut
    gates: list[GateOut]
    lacking: list[str] = Field(description="servers that hold the activation back")


class OperationFilter(Schema):
    """Which operations to return; `open` are those that still take the buttons of the page."""

    kind: Text = ""
    state: Text = ""
    open: bool | None = None


class ActivationOrder(Order):
    """When the new certificates shall be used."""

    activates_at: Moment


@router.get("/operations", response=Page[OperationOut])
def list_operations(
    request: HttpRequest, paging: Query[Paging], wanted: Query[OperationFilter]
) -> Any:
    """List the operations, the newest first."""
    found = Operation.objects.select_related("requested_by", "asked_by").order_by(
        "-created_at", "pk"
    )
    if wanted.kind:
        found = found.filter(kind=wanted.kind)
    if wanted.state:
        found = found.filter(state=wanted.state)
    if wanted.open:
        found = found.blocking()
    return page(found, paging)


def find(operation_id: str) -> Operation:
    """Return an operation by its key."""
    found = Operation.objects.select_related("update", "authority", "requested_by", "asked_by")
    return by_guid(found, operation_id)


def shown(operation: Operation) -> ProgressOut:
    """Return how an operation stands now."""
    operation, now = find(str(operation.pk)), timezone.now()
    counts = operation_counts.count([operation], now=now)[operation.pk]
    stand = progress.progress(operation, counts, Zone.objects.the(), now)
    every = (stand.assign, stand.cancel, stand.activation, stand.force, stand.roll_back)
    offered = [gate for gate in every if gate is not None]
    told = {
        "guid": operation.pk,
        "requested_by": operation.requested_by,
        "asked_by": operation.asked_by,
        "headline": stand.headline,
        "stages": [StageOut.from_orm(stage) for stage in stand.stages],
        "counts": CountsOut.from_orm(counts),
        "gates": [
            {"name": gate.button, "open": gate.is_open, "reason": str(gate.reason)}
            for gate in offered
        ],
        "lacking": [device.name for device in stand.lacking],
    }
    told |= {name: getattr(operation, name) for name in _PLAIN}
    return ProgressOut.model_validate(told)


PEOPLE = ("id", "requested_by", "asked_by")
_PLAIN = tuple(name for name in OperationOut.model_fields if name not in PEOPLE)


@router.get("/operations/{operation_id}", response=ProgressOut)
def show_operation(request: HttpRequest, operation_id: str) -> Any:
    """Show one operation with its stages, counts and gates."""
    return shown(find(operation_id))


def nudge(operation: Operation) -> None:
    """Ring for the next step of an operation once the act is stored."""
    transaction.on_commit(partial(tasks.nudge, str(operation.pk)), robust=True)


def act(operation_id: str, does: Any) -> ProgressOut:
    """Do something about an operation, and return how it stands then."""
    operation = find(operation_id)
    with transaction.atomic():
        does(operation)
        nudge(operation)
    return shown(operation)


@router.post("/operations/{operation_id}/cancel", response=ProgressOut, auth=MAY_CHANGE)
def cancel(request: HttpRequest, operation_id: str) -> Any:
    """Cancel an operation; it works until the lock-out before the activation."""
    return act(operation_id, partial(cancellation.cancel, now=timezone.now()))


@router.post("/operations/{operation_id}/confirm", response=ProgressOut, auth=MAY_CONFIRM)
def confirm(request: Any, operation_id: str) -> Any:
    """Confirm an operation on the CA, as the second of two administrators."""
    does = partial(approvals.approve_operation, by=request.user, now=timezone.now())
    return act(operation_id, does)


@router.post("/operations/{operation_id}/clear-failure", response=ProgressOut, auth=MAY_CHANGE)
def clear_failure(request: HttpRequest, operation_id: str) -> Any:
    """Clear the message of a failed cancel; Cancel can be tried again."""
    return act(operation_id, cancellation.clear_failure)


@router.post("/operations/{operation_id}/assign-now", response=ProgressOut, auth=MAY_DEPLOY)
def assign_now(request: HttpRequest, operation_id: str) -> Any:
    """Assign Now: do not wait for replication to complete."""
    return act(operation_id, partial(distribution.assign_now, now=timezone.now()))


@router.put("/operations/{operation_id}/activation-time", response=ProgressOut, auth=MAY_CHANGE)
def change_activation_time(request: HttpRequest, operation_id: str, order: ActivationOrder) -> Any:
    """Set another activation time."""
    now = timezone.now()
    does = partial(intervention.change_activation, activates_at=order.activates_at, now=now)
    return act(operation_id, does)


@router.post("/operations/{operation_id}/force", response=ProgressOut, auth=MAY_CHANGE)
def force(request: Any, operation_id: str) -> Any:
    """Activate a blocked operation although servers lack their new certificate.

    Where the rule of two holds it is only asked for: see `asked_act`.
    """
    now = timezone.now()
    return act(
        operation_id,
        partial(
            certificates_approvals.do_or_ask,
            act=certificates_approvals.FORCE,
            by=request.user,
            now=now,
        ),
    )


@router.post("/operations/{operation_id}/without-bridge", response=ProgressOut, auth=MAY_CHANGE)
def without_bridge(request: HttpRequest, operation_id: str) -> Any:
    """Go on without the cross-certificate of a certificate server that is lost."""
    return act(operation_id, intervention.go_on_without_bridge)


@router.post("/operations/{operation_id}/replicate-now", response=ProgressOut, auth=MAY_DEPLOY)
def replicate_now(request: HttpRequest, operation_id: str) -> Any:
    """Ask every content server that lacks the content to fetch it at once."""
    operation = find(operation_id)
    if operation.update is None:
        raise Conflict(_("There is no content to replicate yet. Nothing was changed."))
    replication.replicate_now(operation.update, now=timezone.now())
    return shown(operation)


@router.post(
    "/operations/{operation_id}/replicas/{replica_id}/exclude",
    response=ProgressOut,
    auth=MAY_DEPLOY,
)
def exclude_replica(request: HttpRequest, operation_id: str, replica_id: str) -> Any:
    """Leave a content server out, so that a dead one does not block for ever."""
    update = find(operation_id).update_id
    replica = by_number(Replica.objects.filter(update=update).select_related("server"), replica_id)
    return act(operation_id, lambda _one: replication.exclude(replica, now=timezone.now()))
