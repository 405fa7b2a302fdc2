"""Approval of roles in the REST API. GET /requests lists what is waiting."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from ninja import Body, Router

from administrators.accounts import limits
from administrators.accounts.api import CAN_CHANGE, AdministratorDetails
from administrators.approvals import role_requests
from console.rest.api import RequestBody, Text, get_by_number

router = Router(tags=["administrators"])
PATH = "/administrators/{administrator_id}/roles"


class RejectionIn(RequestBody):
    """Why a request is rejected, for the requester and the audit log."""

    reason: Text = ""


def get_reason(body: RejectionIn | None) -> str:
    """Return the reason in a request body, "" without one."""
    return body.reason if body is not None else ""


@router.post(f"{PATH}/confirm", response=AdministratorDetails, auth=CAN_CHANGE)
def approve_roles(request: Any, administrator_id: str) -> Any:
    """Approve the requested roles of an administrator as the second administrator."""
    user = get_by_number(User.objects.all(), administrator_id)
    now = timezone.now()
    pending = role_requests.find_request(user, now)
    if pending is not None:
        limits.check_may_grant(request, pending.roles)
    return _get(role_requests.approve(user.pk, by=request.user, now=now))


@router.post(f"{PATH}/refuse", response=AdministratorDetails, auth=CAN_CHANGE)
def reject_roles(request: Any, administrator_id: str, body: Body[RejectionIn | None] = None) -> Any:
    """Reject the requested roles of an administrator, or withdraw your own request."""
    user = get_by_number(User.objects.all(), administrator_id)
    reason = get_reason(body)
    return _get(role_requests.reject(user.pk, by=request.user, now=timezone.now(), reason=reason))


def _get(user: User) -> User:
    return User.objects.select_related("administrator", "account_mac", "second_factor").get(
        pk=user.pk
    )
