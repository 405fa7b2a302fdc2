"""What waits for a second administrator: all of it in one list, to agree to or to refuse (B-29)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router, Schema

from administrators.accounts import policies
from certificates import tasks
from certificates.approvals import approvals
from certificates.approvals import approvals as certificates_approvals
from certificates.authority import gates
from certificates.authority.api import JobOut
from certificates.models import Operation, VaultJob
from certificates.operations.api.operations import ProgressOut, act, find
from certificates.operations.states import OperationState
from console.rest.api import by_guid, having
from faults import NotFound

router = Router(tags=["second administrator"])
MAY_SEE = having(gates.CA_RIGHT)
MAY = having(gates.CA_RIGHT, proved=True)


class ConfirmationOut(Schema):
    """One thing that waits; `confirm` and `refuse` are the calls that decide, by POST.

    The end of the rule of two has nothing to refuse it with: it ends by itself after a day.
    """

    id: str
    kind: Literal["operation", "act", "job", "rules"]
    title: str
    requested_by: str
    requested_at: datetime
    own: bool
    confirm: str
    refuse: str


@router.get("/confirmations", response=list[ConfirmationOut], auth=MAY_SEE)
def list_confirmations(request: Any) -> Any:
    """List what waits for a second administrator, and how to agree to it or refuse it."""
    found = [*_operations(), *_acts(), *_jobs(), *_rules()]
    return [
        {
            **one,
            "own": one["by"] == request.user,
            "requested_by": one["by"].username if one["by"] else "",
        }
        for one in found
    ]


def _one(kind: str, there: str, key: Any, title: str, by: Any, at: Any) -> dict[str, Any]:
    told = {"kind": kind, "id": str(key), "title": title, "by": by, "requested_at": at}
    return told | {"confirm": f"{there}/confirm", "refuse": f"{there}/refuse"}


def _operations() -> Iterator[dict[str, Any]]:
    waiting = Operation.objects.filter(state=OperationState.PROPOSED)
    for one in waiting.select_related("requested_by"):
        there = f"operations/{one.pk}"
        told = _one("operation", there, one.pk, one.name, one.requested_by, one.created_at)
        yield told | {"refuse": f"{there}/cancel"}


def _acts() -> Iterator[dict[str, Any]]:
    for one in certificates_approvals.pending_actions(timezone.now()):
        title = f"{one.asked_label}: {one.name}"
        there = f"operations/{one.pk}/acts/{one.asked_act}"
        yield _one("act", there, one.pk, title, one.asked_by, one.asked_at)


def _jobs() -> Iterator[dict[str, Any]]:
    for one in approvals.pending_jobs():
        there, title = f"jobs/{one.pk}", one.get_kind_display()
        yield _one("job", there, one.pk, title, one.requested_by, one.created_at)


def _rules() -> Iterator[dict[str, Any]]:
    asked = policies.asked_to_end(timezone.now())
    if asked is not None:
        title = "End the rule of two administrators"
        told = _one("rules", "rules", "rules", title, asked.end_asked_by, asked.end_asked_at)
        yield told | {"confirm": "rules/confirm-end", "refuse": ""}


def _decide(request: Any, operation_id: str, name: str, does: Any) -> ProgressOut:
    find(operation_id)
    if name not in certificates_approvals.ACTS:
        raise NotFound(_("There is no such act."))
    decided = act(operation_id, partial(does, act=name, by=request.user, now=timezone.now()))
    tasks.wake_all()
    return decided


@router.post("/operations/{operation_id}/acts/{act_name}/confirm", response=ProgressOut, auth=MAY)
def confirm_act(request: Any, operation_id: str, act_name: str) -> Any:
    """Confirm Force or Roll back (`force`, `roll-back`), as the second of two administrators."""
    return _decide(request, operation_id, act_name, certificates_approvals.approve_action)


@router.post("/operations/{operation_id}/acts/{act_name}/refuse", response=ProgressOut, auth=MAY)
def refuse_act(request: Any, operation_id: str, act_name: str) -> Any:
    """Refuse what somebody asked for, or withdraw what one asked for oneself."""
    return _decide(request, operation_id, act_name, certificates_approvals.reject_action)


@router.post("/jobs/{job_id}/refuse", response=JobOut, auth=MAY)
def refuse_job(request: Any, job_id: str) -> Any:
    """Refuse a move, backup or restore of the CA, or withdraw one's own."""
    job = by_guid(VaultJob.objects.defer("payload"), job_id)
    with transaction.atomic():
        approvals.reject_job(job, by=request.user, now=timezone.now())
    return job
