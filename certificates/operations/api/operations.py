"""REST API for operations: status and actions (manual, 1.2.5, 1.2.10, 1.3.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from administrators.approvals import reasons
from certificates import tasks
from certificates.acme import hosts
from certificates.approvals import approvals
from certificates.authority import gates
from certificates.authority.api import GateOut
from certificates.models import Operation
from certificates.operations import cancellation, distribution, intervention
from certificates.operations.api.pilot import PilotOut
from certificates.progress import counts as operation_counts
from certificates.progress import progress
from certificates.windows.settings import MAX_REASON
from certificates.windows.settings import RIGHT as OVERRIDE_RIGHT
from console.access.api_tokens import RIGHTS, has_right
from console.pages.responses import missing_right
from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    Text,
    Timestamp,
    get_by_guid,
    paginate,
    require,
)
from devices.models import Zone

router = Router(tags=["operations"])
MAY_CHANGE = require(gates.CA_RIGHT)
MAY_APPROVE = require(gates.CA_RIGHT, reauthenticated=True)
MAY_DEPLOY = require(gates.DEPLOY_RIGHT)
WINDOW_OVERRIDE: Any = Field(
    "",
    max_length=MAX_REASON,
    description="reason for an activation outside the maintenance windows",
)

# Values of `state` before version 1.0, accepted in filters for one release.
DEPRECATED_STATES = {"cancelled": "canceled", "cancelling": "canceling"}


class OperationOut(Schema):
    """A Change CA, Remint CA, or Remint Certificate operation.

    `reason` and `action` describe a failure and how to fix it.
    """

    id: UUID = Field(validation_alias="guid")
    kind: str
    state: str
    name: str
    requested_by: str = ""
    requested_action: str = Field(
        description="action waiting for approval by a second administrator: force or roll-back"
    )
    action_requested_by: str = ""
    asked_act: str = Field(
        validation_alias="requested_action",
        description="use `requested_action`",
        deprecated=True,
    )
    asked_by: str = Field(default="", description="use `action_requested_by`", deprecated=True)
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
        """Return the user name of the administrator who started it, "" for the system."""
        return _get_username(operation, "requested_by")

    @staticmethod
    def resolve_action_requested_by(operation: Any) -> str:
        """Return the user name of the administrator who requested the action, or ""."""
        return _get_username(operation, "action_requested_by")

    @staticmethod
    def resolve_asked_by(operation: Any) -> str:
        """Return the same as `action_requested_by`."""
        return _get_username(operation, "action_requested_by")


def _get_username(operation: Any, field: str) -> str:
    is_row = isinstance(operation, Operation)
    by = getattr(operation, field) if is_row else operation[field]
    return by.get_username() if by else ""


class StageOut(Schema):
    """One of the five stages. `mark` is done, now, or bad, and "" for a future stage."""

    number: int
    name: str
    note: str
    mark: str
    share: list[int] | None = None


class CountsOut(Schema):
    """Numbers of content servers, devices, servers, and new certificates by state."""

    replicas: dict[str, int]
    devices: dict[str, int]
    servers: dict[str, int]
    futures: dict[str, int]


class HostCountsOut(Schema):
    """Numbers of hosts without an agent: all, and those with and without one of the new CA."""

    total: int
    ready: int
    at_risk: int


class ProgressOut(OperationOut):
    """An operation with its stages, counts, and available actions."""

    headline: str
    stages: list[StageOut]
    counts: CountsOut
    hosts: HostCountsOut
    gates: list[GateOut]
    blocking_servers: list[str] = Field(description="servers that block the activation")
    pilot: PilotOut | None = Field(
        None, description="the pilot group, null if it does not hold the operation"
    )
    awaits_ca_certificate: bool = Field(
        description="whether the CSR of a subordinate CA must be signed and its chain imported"
    )
    lacking: list[str] = Field(
        validation_alias="blocking_servers",
        description="use `blocking_servers`",
        deprecated=True,
    )


class OperationFilter(Schema):
    """Filters for operations. `open` returns only operations that exclude other operations."""

    kind: Text = ""
    state: Text = ""
    open: bool | None = None


class ActivationTimeIn(RequestBody):
    """The time at which the new certificates take effect."""

    activates_at: Timestamp
    window_override: Text = WINDOW_OVERRIDE


def get_override(request: Any, reason: str) -> str:
    """Return a reason for an activation outside the windows. Raise Forbidden without the right."""
    if reason.strip() and not has_right(request, OVERRIDE_RIGHT):
        raise missing_right(str(RIGHTS[OVERRIDE_RIGHT]))
    return reason.strip()


@router.get("/operations", response=Page[OperationOut])
def list_operations(
    request: HttpRequest, paging: Query[Paging], wanted: Query[OperationFilter]
) -> Any:
    """List all operations, newest first."""
    found = Operation.objects.select_related("requested_by", "action_requested_by")
    found = found.order_by("-created_at", "pk")
    if wanted.kind:
        found = found.filter(kind=wanted.kind)
    if wanted.state:
        found = found.filter(state=DEPRECATED_STATES.get(wanted.state, wanted.state))
    if wanted.open:
        found = found.blocking()
    return paginate(found, paging)


def get_operation(operation_id: str) -> Operation:
    """Return an operation by its ID. Raises NotFound if there is none."""
    found = Operation.objects.select_related(
        "update", "authority", "future_authority", "requested_by", "action_requested_by"
    )
    return get_by_guid(found, operation_id)


def build_progress(operation: Operation) -> ProgressOut:
    """Return the current progress of an operation."""
    operation, now = get_operation(str(operation.pk)), timezone.now()
    counts = operation_counts.get_counts([operation], now=now)[operation.pk]
    current = progress.get_progress(operation, counts, Zone.objects.get_zone(), now)
    all_gates = (
        current.assign,
        current.cancel,
        current.activation,
        current.force,
        current.roll_back,
        current.pilot_gate,
    )
    values = {
        "guid": operation.pk,
        "requested_by": operation.requested_by,
        "action_requested_by": operation.action_requested_by,
        "headline": current.headline,
        "stages": [StageOut.from_orm(stage) for stage in current.stages],
        "counts": CountsOut.from_orm(counts),
        "hosts": HostCountsOut.from_orm(hosts.count(operation, now)),
        "gates": [
            {"name": gate.button, "open": gate.is_open, "reason": str(gate.reason)}
            for gate in all_gates
            if gate is not None
        ],
        "blocking_servers": [device.name for device in current.blocking_servers],
        "pilot": PilotOut.from_orm(current.pilot) if current.pilot is not None else None,
        "awaits_ca_certificate": operation.awaits_ca_certificate,
    }
    values |= {name: getattr(operation, name) for name in _COPIED_FIELDS}
    return ProgressOut.model_validate(values)


RESOLVED_FIELDS = ("id", "requested_by", "action_requested_by", "asked_act", "asked_by")
_COPIED_FIELDS = tuple(name for name in OperationOut.model_fields if name not in RESOLVED_FIELDS)


@router.get("/operations/{operation_id}", response=ProgressOut)
def show_operation(request: HttpRequest, operation_id: str) -> Any:
    """Get an operation with its stages, counts, and available actions."""
    return build_progress(get_operation(operation_id))


def run_action(operation_id: str, action: Callable[[Operation], object]) -> ProgressOut:
    """Run an action on an operation in a transaction, and return its progress."""
    operation = get_operation(operation_id)
    with transaction.atomic():
        action(operation)
        tasks.enqueue_step_on_commit(operation)
    return build_progress(operation)


@router.post("/operations/{operation_id}/cancel", response=ProgressOut, auth=MAY_CHANGE)
def cancel(request: HttpRequest, operation_id: str, reason: Text = "") -> Any:
    """Cancel an operation. You can cancel until the freeze period before activation begins.

    If the operation is waiting for approval, this rejects it, and its requester sees the reason.
    """
    note = reasons.clean(reason)
    return run_action(operation_id, partial(cancellation.cancel, now=timezone.now(), note=note))


@router.post("/operations/{operation_id}/confirm", response=ProgressOut, auth=MAY_APPROVE)
def confirm(request: Any, operation_id: str) -> Any:
    """Approve a CA operation as the second administrator."""
    action = partial(approvals.approve_operation, by=request.user, now=timezone.now())
    return run_action(operation_id, action)


@router.post("/operations/{operation_id}/clear-failure", response=ProgressOut, auth=MAY_CHANGE)
def clear_failure(request: HttpRequest, operation_id: str) -> Any:
    """Clear the message about a failed cancellation so that you can cancel again."""
    return run_action(operation_id, cancellation.clear_failure)


@router.post("/operations/{operation_id}/assign-now", response=ProgressOut, auth=MAY_DEPLOY)
def assign_now(request: HttpRequest, operation_id: str) -> Any:
    """Assign the update immediately without waiting for replication (Assign Now)."""
    return run_action(operation_id, partial(distribution.assign_now, now=timezone.now()))


@router.put("/operations/{operation_id}/activation-time", response=ProgressOut, auth=MAY_CHANGE)
def change_activation_time(request: HttpRequest, operation_id: str, body: ActivationTimeIn) -> Any:
    """Change the activation time."""
    now = timezone.now()
    action = partial(
        intervention.change_activation_time,
        activates_at=body.activates_at,
        override=get_override(request, body.window_override),
        now=now,
    )
    return run_action(operation_id, action)
