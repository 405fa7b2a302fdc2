"""The zone and its settings in the REST API (D-48)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import available_timezones

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AfterValidator, Field, create_model

from console.rest.api import Order, having
from devices.models import Zone
from devices.zone import settings
from devices.zone.settings import SETTINGS, Setting

router = Router(tags=["zone"])
CHANGE = "devices.change_zone"


class ZoneOut(Schema):
    """The zone and its settings; durations are in seconds."""

    id: UUID = Field(validation_alias="guid")
    name: str
    public_key: str
    created_at: datetime
    epoch: int
    revision: int
    refresh_seconds: int
    primary_replication_seconds: int
    satellite_replication_seconds: int
    bandwidth_kib: int
    stage_timeout_seconds: int
    grace_seconds: int
    lead_seconds: int
    lockout_seconds: int
    server_certificate_days: int
    renewal_days: int
    renews_by_itself: bool
    ready_servers: bool
    ready_percent: int
    ready_days: int
    time_zone: str


@router.get("/zone", response=ZoneOut)
def show_zone(request: HttpRequest) -> Any:
    """Show the zone."""
    return Zone.objects.the()


def _known(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("it is not the name of a time zone")
    return name


def _kind(setting: Setting) -> Any:
    """Return what a setting may hold, with its range."""
    if setting.unit == "switch":
        return Annotated[bool, Field(description=str(setting.help))]
    if setting.unit == "zone":
        return Annotated[str, AfterValidator(_known), Field(description=str(setting.help))]
    least, most = setting.range
    return Annotated[int, Field(ge=least, le=most, description=str(setting.help))]


_FIELDS: dict[str, Any] = {one.name: (_kind(one) | None, None) for one in SETTINGS}
ZoneOrder: Any = create_model("ZoneOrder", __base__=Order, **_FIELDS)


@router.patch("/zone", response=ZoneOut, auth=having(CHANGE))
def change_zone(request: HttpRequest, order: ZoneOrder) -> Any:
    """Change settings of the zone, all that are named or none."""
    named = {name: value for name, value in order.dict().items() if value is not None}
    settings.save(named)
    return Zone.objects.the()
