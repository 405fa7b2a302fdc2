"""What holds an operation up, who is cut off, the way back, the report (B-2, B-3, B-5, B-8)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from certificates import tasks
from certificates.approvals import approvals
from certificates.authority import gates
from certificates.operations import preparation
from certificates.operations.api.operations import ProgressOut, find, nudge, shown
from certificates.progress import report
from certificates.trust import devices_at_risk, readiness
from console.rest.api import Order, Page, Paging, Text, having, page
from devices.models import Zone

router = Router(tags=["operations"])
MAY = having(gates.CA_RIGHT)
PERCENT = 100
DAYS = 365


class PolicyOut(Schema):
    """What must be ready before an activation, else it is put off; 0 percent asks for no device."""

    servers: bool
    percent: int
    days: int


class PolicyOrder(Order):
    """What shall be ready: every server, and this share of the devices seen in these days."""

    servers: bool
    percent: int = Field(ge=0, le=PERCENT)
    days: int = Field(ge=1, le=DAYS)


class StandingOut(Schema):
    """A device of an operation; `why` it would lose contact now, "" where it would not."""

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    why: str = Field(validation_alias="standing")
    last_contact: datetime | None


class RolloutOut(Page[StandingOut]):
    """The devices of an operation, how many there are of each standing, and what is missed."""

    counts: dict[str, int]
    shortfalls: list[str]


class RolloutFilter(Schema):
    """Which devices to return; `at-risk` are those that would lose contact."""

    why: Text = ""
    q: Text = ""


class SignedOut(Schema):
    """A report as JSON in base64, signed by the zone key."""

    payload_type: str
    payload: str
    signature: str


@router.get("/readiness-policy", response=PolicyOut)
def show_readiness_policy(request: HttpRequest) -> Any:
    """Show what must be ready before an activation."""
    return readiness.policy_of(Zone.objects.the())


@router.put("/readiness-policy", response=PolicyOut, auth=having(gates.CA_RIGHT, proved=True))
def set_readiness_policy(request: HttpRequest, order: PolicyOrder) -> Any:
    """Set what must be ready before an activation."""
    readiness.set_policy(**order.dict())
    return readiness.policy_of(Zone.objects.the())


@router.get("/operations/{operation_id}/rollout", response=RolloutOut)
def show_rollout(
    request: HttpRequest, operation_id: str, paging: Query[Paging], wanted: Query[RolloutFilter]
) -> Any:
    """Tell for each device why it would lose contact if the activation happened now."""
    operation, zone, now = find(operation_id), Zone.objects.the(), timezone.now()
    every: Any = devices_at_risk.by_why(operation, zone, now)
    found = every.filter(name__icontains=wanted.q) if wanted.q else every
    if wanted.why == "at-risk":
        found = found.exclude(standing="")
    elif wanted.why:
        found = found.filter(standing=wanted.why)
    return {
        **page(found.order_by("name", "pk"), paging),
        "counts": devices_at_risk.count(every),
        "shortfalls": readiness.shortfalls(operation, zone, now),
    }


@router.post(
    "/operations/{operation_id}/roll-back",
    response=ProgressOut,
    auth=having(gates.CA_RIGHT, proved=True),
)
def roll_back(request: Any, operation_id: str) -> Any:
    """Roll back to the CA and the certificates from before.

    Where the rule of two holds it is only asked for: see `asked_act`.
    """
    operation = find(operation_id)
    with transaction.atomic():
        approvals.do_or_ask(operation, approvals.ROLL_BACK, by=request.user, now=timezone.now())
        nudge(operation)
        transaction.on_commit(tasks.wake_all, robust=True)
    return shown(operation)


@router.post("/operations/{operation_id}/try-again", response=ProgressOut, auth=MAY)
def try_again(request: HttpRequest, operation_id: str) -> Any:
    """Try a failed preparation again, from the step that failed."""
    operation = find(operation_id)
    with transaction.atomic():
        preparation.try_again(operation)
        nudge(operation)
        transaction.on_commit(partial(tasks.wake_all), robust=True)
    return shown(operation)


@router.post("/operations/{operation_id}/report", response=SignedOut)
def signed_report(request: HttpRequest, operation_id: str) -> Any:
    """Sign the report of an operation with the zone key; the ledger tells of it."""
    return vars(report.sign(report.build(find(operation_id), now=timezone.now())))
