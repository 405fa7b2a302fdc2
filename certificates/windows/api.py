"""REST API of maintenance windows and change freezes.

See: D-273
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from certificates.models import ChangeFreeze, MaintenanceWindow
from certificates.windows import settings
from certificates.windows.rules import MAX_TEXT
from certificates.windows.settings import MAX_NAME, MAX_REASON, FreezeSettings
from certificates.windows.weekly import describe_window
from console.rest.api import RequestBody, Text, Timestamp, get_by_number, require

router = Router(tags=["maintenance windows"])
CAN_CHANGE = require(settings.RIGHT, reauthenticated=True)


class MaintenanceWindowOut(Schema):
    """A maintenance window, and when it is open next."""

    id: int
    name: str
    rule: str
    opens_at: datetime | None
    closes_at: datetime | None


class MaintenanceWindowIn(RequestBody):
    """A window: its name, and the lines DTSTART, DURATION, and RRULE of RFC 5545.

    DTSTART is in the time zone of the zone, for example `DTSTART:20261205T220000`.
    """

    name: Text = Field(min_length=1, max_length=MAX_NAME)
    rule: Text = Field(min_length=1, max_length=MAX_TEXT)


class ChangeFreezeOut(Schema):
    """A change freeze that has not ended."""

    id: int
    begins_at: datetime
    ends_at: datetime
    reason: str


class ChangeFreezeIn(RequestBody):
    """A period in which nothing is activated, and why."""

    begins_at: Timestamp
    ends_at: Timestamp
    reason: Text = Field(min_length=1, max_length=MAX_REASON)


class ActivationTimesOut(Schema):
    """Whether certificates can be activated now, and the next time at which they can.

    `closes_at` is null if nothing ends that time. `window` is "" outside of maintenance windows.
    """

    open: bool
    opens_at: datetime | None
    closes_at: datetime | None
    window: str


def _serialize(windows: list[MaintenanceWindow]) -> list[dict[str, Any]]:
    now = timezone.now()
    schedule = settings.load_schedule(now)
    found = []
    for row in windows:
        next_time = describe_window(row.name, row.rule, schedule, now).next_time
        opens_at, closes_at = next_time or (None, None)
        values = {"id": row.pk, "name": row.name, "rule": row.rule}
        found.append({**values, "opens_at": opens_at, "closes_at": closes_at})
    return found


@router.get("/activation-times", response=ActivationTimesOut)
def show_activation_times(request: HttpRequest) -> Any:
    """Get whether certificates can be activated now, and the next time at which they can."""
    now = timezone.now()
    opening = settings.load_schedule(now).find_opening(now)
    if opening is None:
        return {"open": False, "opens_at": None, "closes_at": None, "window": ""}
    return {
        "open": opening.begins_at <= now,
        "opens_at": opening.begins_at,
        "closes_at": opening.ends_at,
        "window": opening.name,
    }


@router.get("/maintenance-windows", response=list[MaintenanceWindowOut])
def list_windows(request: HttpRequest) -> Any:
    """List the maintenance windows."""
    return _serialize(list(MaintenanceWindow.objects.all()))


@router.post("/maintenance-windows", response={201: MaintenanceWindowOut}, auth=CAN_CHANGE)
def create_window(request: HttpRequest, body: MaintenanceWindowIn) -> Any:
    """Create a maintenance window."""
    return Status(201, _serialize([settings.save_window(body.name, body.rule)])[0])


@router.put("/maintenance-windows/{window_id}", response=MaintenanceWindowOut, auth=CAN_CHANGE)
def change_window(request: HttpRequest, window_id: str, body: MaintenanceWindowIn) -> Any:
    """Change a maintenance window."""
    window = get_by_number(MaintenanceWindow.objects.all(), window_id)
    return _serialize([settings.save_window(body.name, body.rule, pk=window.pk)])[0]


@router.delete("/maintenance-windows/{window_id}", response={204: None}, auth=CAN_CHANGE)
def remove_window(request: HttpRequest, window_id: str) -> Any:
    """Remove a maintenance window."""
    settings.remove_window(get_by_number(MaintenanceWindow.objects.all(), window_id).pk)
    return Status(204, None)


@router.get("/change-freezes", response=list[ChangeFreezeOut])
def list_freezes(request: HttpRequest) -> Any:
    """List the change freezes that have not ended."""
    return list(ChangeFreeze.objects.not_over(timezone.now()))


@router.post("/change-freezes", response={201: ChangeFreezeOut}, auth=CAN_CHANGE)
def create_freeze(request: HttpRequest, body: ChangeFreezeIn) -> Any:
    """Create a change freeze."""
    return Status(201, settings.save_freeze(FreezeSettings(**body.dict()), now=timezone.now()))


@router.put("/change-freezes/{freeze_id}", response=ChangeFreezeOut, auth=CAN_CHANGE)
def change_freeze(request: HttpRequest, freeze_id: str, body: ChangeFreezeIn) -> Any:
    """Change a change freeze."""
    freeze = get_by_number(ChangeFreeze.objects.all(), freeze_id)
    values = FreezeSettings(**body.dict())
    return settings.save_freeze(values, now=timezone.now(), pk=freeze.pk)


@router.delete("/change-freezes/{freeze_id}", response={204: None}, auth=CAN_CHANGE)
def remove_freeze(request: HttpRequest, freeze_id: str) -> Any:
    """Remove a change freeze, also while it is in force."""
    settings.remove_freeze(get_by_number(ChangeFreeze.objects.all(), freeze_id).pk)
    return Status(204, None)
