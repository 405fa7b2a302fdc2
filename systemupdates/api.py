"""System updates, their devices and their content servers in the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from console.api import Page, Paging, Text, by_guid, by_number, having, page
from systemupdates import assignment as acts
from systemupdates import table
from systemupdates.machine import UpdateState
from systemupdates.models import Assignment, Replica, SystemUpdate

router = Router(tags=["updates"])
DEPLOY = "systemupdates.deploy_update"


class UpdateOut(Schema):
    """A system update, and how many of its devices are in which state."""

    id: UUID = Field(validation_alias="guid")
    name: str
    kind: str
    state: str
    revision: int
    activates_at: datetime | None
    initiating_server_id: UUID
    created_at: datetime
    assigned_at: datetime | None
    assigned_by_hand: bool
    devices: dict[str, int] = Field(default_factory=dict)


class AssignmentOut(Schema):
    """How one device stands to one update; `reason` and `action` tell of a failure."""

    id: int
    update_id: UUID
    device_id: UUID
    device: str = Field(validation_alias="device.name")
    state: str
    step: str
    attempt: int
    reason: str
    action: str
    changed_at: datetime | None
    applied_at: datetime | None
    activated_at: datetime | None
    confirmed_at: datetime | None


class ReplicaOut(Schema):
    """How the content of an update stands on one content server."""

    id: int
    update_id: UUID
    server_id: UUID
    server: str = Field(validation_alias="server.name")
    state: str
    progress: int
    reason: str
    changed_at: datetime


class UpdateFilter(Schema):
    """Which updates to return."""

    q: Text = ""
    state: Text = ""


class AssignmentFilter(Schema):
    """Which devices of an update to return; `state` may also be `open`."""

    q: Text = ""
    state: Text = ""


def _with_counts(updates: list[SystemUpdate]) -> list[SystemUpdate]:
    """Note on each update how its devices stand."""
    numbers = table.counts(updates)
    for update in updates:
        update.devices = dict(sorted(numbers[update.pk].items()))  # type: ignore[attr-defined]  # read by UpdateOut
    return updates


@router.get("/updates", response=Page[UpdateOut])
def list_updates(request: HttpRequest, paging: Query[Paging], wanted: Query[UpdateFilter]) -> Any:
    """List the system updates, the newest first."""
    found = SystemUpdate.objects.defer("envelope", "files").order_by("-created_at", "pk")
    if wanted.q:
        found = found.filter(name__icontains=wanted.q)
    if wanted.state in UpdateState.values:
        found = found.filter(state=wanted.state)
    answer = page(found, paging)
    return {**answer, "items": _with_counts(answer["items"])}


def _update(update_id: str) -> SystemUpdate:
    return by_guid(SystemUpdate.objects.defer("envelope", "files"), update_id)


@router.get("/updates/{update_id}", response=UpdateOut)
def show_update(request: HttpRequest, update_id: str) -> Any:
    """Show one system update."""
    return _with_counts([_update(update_id)])[0]


@router.get("/updates/{update_id}/assignments", response=Page[AssignmentOut])
def list_assignments(
    request: HttpRequest, update_id: str, paging: Query[Paging], wanted: Query[AssignmentFilter]
) -> Any:
    """List the devices of an update, those that failed first."""
    every = Assignment.objects.filter(update=_update(update_id)).select_related("device")
    found = table.matching(every, wanted.state, wanted.q)
    found = found.order_by(table.WORST_FIRST, "device__name", "pk")
    return page(found, paging)


@router.get("/updates/{update_id}/replicas", response=Page[ReplicaOut])
def list_replicas(request: HttpRequest, update_id: str, paging: Query[Paging]) -> Any:
    """List the content servers of an update."""
    found = Replica.objects.filter(update=_update(update_id)).select_related("server")
    return page(found.order_by("server__name", "pk"), paging)


def _assignment(assignment_id: str) -> Assignment:
    return by_number(Assignment.objects.select_related("device"), assignment_id)


@router.get("/assignments/{assignment_id}", response=AssignmentOut)
def show_assignment(request: HttpRequest, assignment_id: str) -> Any:
    """Show how one device stands to one update."""
    return _assignment(assignment_id)


@router.post("/assignments/{assignment_id}/ignore", response=AssignmentOut, auth=having(DEPLOY))
def ignore_device(request: HttpRequest, assignment_id: str) -> Any:
    """Ignore Device: leave a device out of an update."""
    assignment = _assignment(assignment_id)
    acts.ignore_device(assignment, now=timezone.now())
    return assignment


@router.post("/assignments/{assignment_id}/redeploy", response=AssignmentOut, auth=having(DEPLOY))
def redeploy(request: HttpRequest, assignment_id: str) -> Any:
    """Offer an update again to a device that failed or was ignored."""
    assignment = _assignment(assignment_id)
    acts.redeploy(assignment, now=timezone.now())
    return assignment
