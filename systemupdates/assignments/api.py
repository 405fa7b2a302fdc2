"""Status by Device: how devices stand to an update, and the acts on one of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from console.pages.tables import sorted_by
from console.rest.api import Page, Paging, Text, by_guid, by_number, page
from devices.models import Device, Zone
from systemupdates.assignments import assignment as acts
from systemupdates.models import Assignment
from systemupdates.updates import lifecycle, tables
from systemupdates.updates.api import MAY_DEPLOY, find

router = Router(tags=["updates"])


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


class OfDeviceOut(AssignmentOut):
    """How a device stands to one of its updates."""

    update: str = Field(validation_alias="update.name")


class RefreshOut(AssignmentOut):
    """How a device stands, and when it is heard next: `due_at` is null where nobody knows."""

    at_once: bool
    due_at: datetime | None


class AssignmentFilter(Schema):
    """Which devices of an update to return; `state` may also be `open`."""

    q: Text = ""
    state: Text = ""
    sort: Text = Field(
        "", description="device, state, changed, contact, with - in front for descending"
    )


@router.get("/updates/{update_id}/assignments", response=Page[AssignmentOut])
def list_assignments(
    request: HttpRequest, update_id: str, paging: Query[Paging], wanted: Query[AssignmentFilter]
) -> Any:
    """Status by Device: the devices of an update, without another order those that failed first."""
    update = find(update_id)
    _columns, field, descending = sorted_by(tables.DEVICE_COLUMNS, wanted.sort)
    order = f"-{field}" if descending and field else field
    numbers = tables.counts([update])[update.pk]
    return page(
        tables.status_by_device(update, numbers, wanted.state, wanted.q.strip(), order), paging
    )


@router.get("/devices/{device_id}/assignments", response=Page[OfDeviceOut])
def list_updates_of_device(request: HttpRequest, device_id: str, paging: Query[Paging]) -> Any:
    """List the updates of a device, the newest first."""
    device = by_guid(Device.objects.only("guid"), device_id)
    found = Assignment.objects.filter(device=device, update__deleted_at=None)
    found = found.select_related("device", "update").defer("update__envelope", "update__files")
    return page(found.order_by("-update__created_at", "pk"), paging)


def _find(assignment_id: str) -> Assignment:
    found = Assignment.objects.filter(update__deleted_at=None)
    return by_number(found.select_related("device"), assignment_id)


@router.get("/assignments/{assignment_id}", response=AssignmentOut)
def show_assignment(request: HttpRequest, assignment_id: str) -> Any:
    """Show how one device stands to one update."""
    return _find(assignment_id)


@router.post("/assignments/{assignment_id}/ignore", response=AssignmentOut, auth=MAY_DEPLOY)
def ignore_device(request: HttpRequest, assignment_id: str) -> Any:
    """Ignore Device: leave a device out of an update."""
    assignment = _find(assignment_id)
    acts.ignore_device(assignment, now=timezone.now())
    return assignment


@router.post("/assignments/{assignment_id}/redeploy", response=AssignmentOut, auth=MAY_DEPLOY)
def redeploy(request: HttpRequest, assignment_id: str) -> Any:
    """Offer an update again to a device that failed or was ignored."""
    assignment = _find(assignment_id)
    acts.redeploy(assignment, now=timezone.now())
    return assignment


@router.post("/assignments/{assignment_id}/clear-error", response=AssignmentOut, auth=MAY_DEPLOY)
def clear_error(request: HttpRequest, assignment_id: str) -> Any:
    """Clear Error: take the message off; the device is not asked to try again."""
    assignment = _find(assignment_id)
    lifecycle.clear_error(assignment, now=timezone.now())
    return assignment


@router.post("/assignments/{assignment_id}/refresh", response=RefreshOut, auth=MAY_DEPLOY)
def refresh_device(request: HttpRequest, assignment_id: str) -> Any:
    """Refresh Device: let it try again as soon as it is heard; devices call, nobody calls them."""
    assignment: Any = _find(assignment_id)
    assignment.at_once = lifecycle.refresh_device(assignment)
    assignment.due_at = lifecycle.heard_by(assignment.device, Zone.objects.the())
    return assignment
