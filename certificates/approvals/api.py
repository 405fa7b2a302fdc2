"""REST API for two-administrator approval: list, approve, and reject requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Body, Field, Router, Schema

from administrators.accounts import policies
from administrators.approvals import role_requests
from administrators.approvals.api import RejectionIn, get_reason
from certificates import tasks
from certificates.approvals import approvals
from certificates.authority import gates
from certificates.authority.api import JobOut
from certificates.models import Operation, VaultJob
from certificates.operations.api.operations import ProgressOut, get_operation, run_action
from certificates.operations.states import OperationState
from console.rest.api import get_by_guid, require
from faults import NotFound

router = Router(tags=["second administrator"])
CAN_VIEW = require(gates.CA_RIGHT)
CAN_APPROVE = require(gates.CA_RIGHT, reauthenticated=True)


class RequestOut(Schema):
    """A request waiting for approval.

    The request to turn off two-administrator approval cannot be rejected. It expires after 24
    hours.
    """

    id: str
    kind: Literal["operation", "act", "job", "roles", "rules"]
    title: str
    requested_by: str
    requested_at: datetime
    own: bool
    confirm: str = Field(description="path to POST to, to approve the request")
    refuse: str = Field(
        description=(
            "path to POST to, to reject the request, with an optional `reason`; empty if not "
            "possible"
        )
    )


@router.get("/confirmations", response=list[RequestOut], auth=CAN_VIEW)
def list_requests(request: Any) -> Any:
    """List the requests that are waiting for approval by a second administrator."""
    found = [*_operations(), *_actions(), *_jobs(), *_roles(), *_policies()]
    return [
        {
            **values,
            "own": values["by"] == request.user,
            "requested_by": values["by"].username if values["by"] else "",
        }
        for values in found
    ]


def _build_request(kind: str, path: str, key: Any, title: str, by: Any, at: Any) -> dict[str, Any]:
    values = {"kind": kind, "id": str(key), "title": title, "by": by, "requested_at": at}
    return values | {"confirm": f"{path}/confirm", "refuse": f"{path}/refuse"}


def _operations() -> Iterator[dict[str, Any]]:
    waiting = Operation.objects.filter(state=OperationState.PROPOSED)
    for operation in waiting.select_related("requested_by"):
        path, at = f"operations/{operation.pk}", operation.created_at
        yield _build_request(
            "operation", path, operation.pk, operation.name, operation.requested_by, at
        ) | {"refuse": f"{path}/cancel"}


def _actions() -> Iterator[dict[str, Any]]:
    for operation in approvals.list_pending_actions(timezone.now()):
        title = f"{operation.requested_action_label}: {operation.name}"
        path = f"operations/{operation.pk}/acts/{operation.requested_action}"
        by, at = operation.action_requested_by, operation.action_requested_at
        yield _build_request("act", path, operation.pk, title, by, at)


def _jobs() -> Iterator[dict[str, Any]]:
    for job in approvals.list_pending_jobs():
        path, title = f"jobs/{job.pk}", job.get_kind_display()
        yield _build_request("job", path, job.pk, title, job.requested_by, job.created_at)


def _roles() -> Iterator[dict[str, Any]]:
    for pending in role_requests.list_requests(timezone.now()):
        path, title = f"administrators/{pending.user_id}/roles", f"Roles of {pending.user.username}"
        by, at = pending.requested_by, pending.requested_at
        yield _build_request("roles", path, pending.user_id, title, by, at)


def _policies() -> Iterator[dict[str, Any]]:
    found = policies.get_turn_off_request(timezone.now())
    if found is not None:
        title, by = "Turn Off Two-Administrator Approval", found.turn_off_requested_by
        yield _build_request("rules", "rules", "rules", title, by, found.turn_off_requested_at) | {
            "confirm": "rules/confirm-end",
            "refuse": "rules/refuse-end",
        }


def _decide(request: Any, operation_id: str, name: str, decide: Any) -> ProgressOut:
    get_operation(operation_id)
    if name not in approvals.ACTIONS:
        raise NotFound(_("Unknown action."))
    by, now = request.user, timezone.now()
    progress = run_action(operation_id, partial(decide, action=name, by=by, now=now))
    tasks.notify_agents()
    return progress


@router.post(
    "/operations/{operation_id}/acts/{act_name}/confirm", response=ProgressOut, auth=CAN_APPROVE
)
def approve_action(request: Any, operation_id: str, act_name: str) -> Any:
    """Approve a Force Activation or Roll Back request as the second administrator."""
    return _decide(request, operation_id, act_name, approvals.approve_action)


@router.post(
    "/operations/{operation_id}/acts/{act_name}/refuse", response=ProgressOut, auth=CAN_APPROVE
)
def reject_action(
    request: Any, operation_id: str, act_name: str, body: Body[RejectionIn | None] = None
) -> Any:
    """Reject another administrator's request, or withdraw your own."""
    decide = partial(approvals.reject_action, reason=get_reason(body))
    return _decide(request, operation_id, act_name, decide)


@router.post("/jobs/{job_id}/refuse", response=JobOut, auth=CAN_APPROVE)
def reject_job(request: Any, job_id: str, body: Body[RejectionIn | None] = None) -> Any:
    """Reject a request to move, back up, or restore the CA, or withdraw your own."""
    job = get_by_guid(VaultJob.objects.defer("payload"), job_id)
    with transaction.atomic():
        reason = get_reason(body)
        approvals.reject_job(job, by=request.user, now=timezone.now(), reason=reason)
    return job
