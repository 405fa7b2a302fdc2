"""The account rules in the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Body, Router, Schema
from pydantic import Field

from administrators.accounts import policies
from administrators.accounts.roles import ADMINISTER
from administrators.approvals.api import RejectionIn, get_reason
from administrators.models import Policies
from console.rest.api import RequestBody, require

router = Router(tags=["administrators"])
CAN_VIEW = require(ADMINISTER)
CAN_CHANGE = require(ADMINISTER, reauthenticated=True)
CAN_APPROVE = require(policies.CA_RIGHT, reauthenticated=True)


class PoliciesOut(Schema):
    """The account rules for all administrators.

    `turn_off_requested_by` has requested to turn off two-administrator approval.
    """

    requires_second_factor: bool
    two_administrators: bool
    turn_off_requested_by: str
    turn_off_requested_at: datetime | None
    end_asked_by: str = Field(description="use `turn_off_requested_by`", deprecated=True)
    end_asked_at: datetime | None = Field(
        validation_alias="turn_off_requested_at",
        description="use `turn_off_requested_at`",
        deprecated=True,
    )

    @staticmethod
    def resolve_turn_off_requested_by(policies: Any) -> str:
        """Return the name of the requesting administrator, "" without a request."""
        user = policies.turn_off_requested_by
        return user.username if user else ""

    @staticmethod
    def resolve_end_asked_by(policies: Any) -> str:
        """Return the same under its old name."""
        return PoliciesOut.resolve_turn_off_requested_by(policies)


class PoliciesBody(RequestBody):
    """The new account rules for all administrators."""

    requires_second_factor: bool
    two_administrators: bool


@router.get("/rules", response=PoliciesOut, auth=CAN_VIEW)
def get_policies(request: HttpRequest) -> Any:
    """Get the account rules."""
    return Policies.objects.get_current()


@router.put("/rules", response=PoliciesOut, auth=CAN_CHANGE)
def update_policies(request: Any, body: PoliciesBody) -> Any:
    """Change the account rules.

    To turn off two-administrator approval, a second administrator must approve the request.
    """
    return policies.update_policies(**body.dict(), by=request.user, now=timezone.now())


@router.post("/rules/confirm-end", response=PoliciesOut, auth=CAN_APPROVE)
def approve_turn_off(request: Any) -> Any:
    """Approve turning off two-administrator approval as the second administrator."""
    return policies.approve_turn_off(by=request.user, now=timezone.now())


@router.post("/rules/refuse-end", response=PoliciesOut, auth=CAN_APPROVE)
def reject_turn_off(request: Any, body: Body[RejectionIn | None] = None) -> Any:
    """Reject another administrator's request to turn off approval, or withdraw your own."""
    reason = get_reason(body)
    return policies.reject_turn_off(by=request.user, now=timezone.now(), reason=reason)
