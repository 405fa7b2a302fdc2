"""REST API of assignments (Status by Device) and the actions on one device."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from console.pages.tables import build_order, list_sort_keys, sort_columns
from console.rest.api import Page, Paging, Text, check_sort, get_by_guid, get_by_number, paginate
from devices.models import Device, Zone
from systemupdates.assignments import assignment as assignments
from systemupdates.models import Assignment
from systemupdates.updates import lifecycle, tables
from systemupdates.updates.api import MAY_DEPLOY, find_update

router = Router(tags=["updates"])


class AssignmentOut(Schema):
    """The status of an update on a device. `reason` and `action` describe a failure."""

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
    is_pilot: bool = Field(description="whether the device belongs to the pilot group")


class DeviceAssignmentOut(AssignmentOut):
    """The status of one of the updates of a device."""

    update: str = Field(validation_alias="update.name")


class RefreshOut(AssignmentOut):
    """The status of an update on a device, and its next contact.

    `due_at` is null if the device had no contact yet.
    """

    is_immediate: bool = Field(description="whether the device refreshes within seconds")
    due_at: datetime | None
    at_once: bool = Field(
        validation_alias="is_immediate", description="use `is_immediate`", deprecated=True
    )


class AssignmentFilter(Schema):
    """The devices of an update to return. `state` can also be `open`."""

    q: Text = ""
    state: Text = ""
    sort: Text = Field(
        "", description=("device, state, changed, or contact; prefix with - for descending order")
    )


@router.get("/updates/{update_id}/assignments", response=Page[AssignmentOut])
def list_assignments(
    request: HttpRequest, update_id: str, paging: Query[Paging], selected: Query[AssignmentFilter]
) -> Any:
    """List the devices of an update and their status (Status by Device).

    By default, failed devices are listed first.
    """
    update = find_update(update_id)
    check_sort(selected.sort, list_sort_keys(tables.DEVICE_COLUMNS))
    _columns, field, descending = sort_columns(tables.DEVICE_COLUMNS, selected.sort)
    order = build_order(field, [], descending=descending)
    numbers = tables.count_devices([update])[update.pk]
    return paginate(
        tables.get_status_by_device(update, numbers, selected.state, selected.q.strip(), order),
        paging,
    )


@router.get("/devices/{device_id}/assignments", response=Page[DeviceAssignmentOut])
def list_updates_of_device(request: HttpRequest, device_id: str, paging: Query[Paging]) -> Any:
    """List the updates of a device, newest first."""
    device = get_by_guid(Device.objects.only("guid"), device_id)
    found = Assignment.objects.filter(device=device, update__deleted_at=None)
    found = found.select_related("device", "update").defer("update__envelope", "update__files")
    return paginate(found.order_by("-update__created_at", "pk"), paging)


def _find(assignment_id: str) -> Assignment:
    found = Assignment.objects.filter(update__deleted_at=None)
    return get_by_number(found.select_related("device"), assignment_id)


@router.get("/assignments/{assignment_id}", response=AssignmentOut)
def show_assignment(request: HttpRequest, assignment_id: str) -> Any:
    """Get the status of an update on a device."""
    return _find(assignment_id)


@router.post("/assignments/{assignment_id}/ignore", response=AssignmentOut, auth=MAY_DEPLOY)
def ignore_device(request: HttpRequest, assignment_id: str) -> Any:
    """Exclude a device from an update (Ignore Device)."""
    assignment = _find(assignment_id)
    assignments.ignore_device(assignment, now=timezone.now())
    return assignment


@router.post("/assignments/{assignment_id}/redeploy", response=AssignmentOut, auth=MAY_DEPLOY)
def redeploy(request: HttpRequest, assignment_id: str) -> Any:
    """Redeploy an update to a device that failed or was ignored."""
    assignment = _find(assignment_id)
    assignments.redeploy(assignment, now=timezone.now())
    return assignment


@router.post("/assignments/{assignment_id}/clear-error", response=AssignmentOut, auth=MAY_DEPLOY)
def clear_error(request: HttpRequest, assignment_id: str) -> Any:
    """Clear the error on a device (Clear Error). The device does not retry the update."""
    assignment = _find(assignment_id)
    lifecycle.clear_error(assignment, now=timezone.now())
    return assignment


@router.post("/assignments/{assignment_id}/refresh", response=RefreshOut, auth=MAY_DEPLOY)
def refresh_device(request: HttpRequest, assignment_id: str) -> Any:
    """Retry the update at the device's next contact (Refresh Device).

    The console cannot contact devices itself.
    """
    assignment: Any = _find(assignment_id)
    assignment.is_immediate = lifecycle.refresh_device(assignment)
    assignment.due_at = lifecycle.get_next_contact(assignment.device, Zone.objects.get_zone())
    return assignment
