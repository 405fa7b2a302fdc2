"""REST API of the zone and its settings.

See: D-48
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import available_timezones

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AfterValidator, Field, create_model

from console.rest.api import RequestBody, require
from devices.identity import zone_keys
from devices.models import Zone
from devices.zone import settings
from devices.zone.settings import SETTINGS, Setting

router = Router(tags=["zone"])
CHANGE = "devices.change_zone"


class _ZoneOut(Schema):
    """The zone and its settings. Durations are in seconds."""

    id: UUID = Field(validation_alias="guid")
    name: str
    public_key: str
    second_public_key: str
    created_at: datetime
    epoch: int
    revision: int
    refresh_seconds: int
    primary_replication_seconds: int
    satellite_replication_seconds: int
    bandwidth_kib: int
    stage_timeout_seconds: int
    grace_seconds: int
    lead_time_seconds: int
    freeze_seconds: int
    server_certificate_days: int
    renewal_days: int
    automatic_renewal: bool
    ready_servers: bool
    ready_percent: int
    ready_days: int
    system_trust: bool
    time_zone: str

    @staticmethod
    def resolve_public_key(zone: Zone) -> str:
        return zone_keys.get_public_zone_key(zone)


_DEPRECATED = {setting.old_name: setting.name for setting in SETTINGS if setting.old_name}
_DEPRECATED_FIELDS: dict[str, Any] = {
    old: (
        _ZoneOut.__annotations__[name],
        Field(validation_alias=name, description=f"use `{name}`", deprecated=True),
    )
    for old, name in _DEPRECATED.items()
}
ZoneOut: Any = create_model("ZoneOut", __base__=_ZoneOut, **_DEPRECATED_FIELDS)


@router.get("/zone", response=ZoneOut)
def show_zone(request: HttpRequest) -> Any:
    """Get the zone and its settings."""
    return Zone.objects.get_zone()


def _check_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a valid time zone name")
    return name


def _get_type(setting: Setting) -> Any:
    """Return the type of a setting with its range and description."""
    if setting.unit == "switch":
        return Annotated[bool, Field(description=str(setting.help))]
    if setting.unit == "zone":
        return Annotated[
            str, AfterValidator(_check_time_zone), Field(description=str(setting.help))
        ]
    low, high = setting.range
    return Annotated[int, Field(ge=low, le=high, description=str(setting.help))]


_IN_FIELDS: dict[str, Any] = {
    **{setting.name: (_get_type(setting) | None, None) for setting in SETTINGS},
    **{
        setting.old_name: (
            _get_type(setting) | None,
            Field(None, description=f"use `{setting.name}`", deprecated=True),
        )
        for setting in SETTINGS
        if setting.old_name
    },
}
ZoneSettingsIn: Any = create_model("ZoneSettingsIn", __base__=RequestBody, **_IN_FIELDS)


@router.patch("/zone", response=ZoneOut, auth=require(CHANGE))
def change_zone(request: HttpRequest, body: ZoneSettingsIn) -> Any:
    """Change zone settings. If any value is invalid, none are changed."""
    given = {name: value for name, value in body.dict().items() if value is not None}
    deprecated = {_DEPRECATED[old]: given.pop(old) for old in given.keys() & _DEPRECATED.keys()}
    settings.save_zone_settings({**deprecated, **given})
    return Zone.objects.get_zone()
