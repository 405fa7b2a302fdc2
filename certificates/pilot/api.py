"""REST API of the pilot group, and of operations that it holds.

See: D-276
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import Field

from certificates.authority import gates
from certificates.operations.api.operations import ProgressOut, run_action
from certificates.pilot import settings
from certificates.pilot.settings import (
    DEFAULT_TIMEOUT_SECONDS,
    MAX_MEMBERS,
    MAX_PERCENT,
    MAX_TIMEOUT_SECONDS,
    MIN_TIMEOUT_SECONDS,
    PilotGroup,
)
from certificates.pilot.waiting import continue_after_pilot
from console.rest.api import RequestBody, Text, require

router = Router(tags=["pilot group"])


class PilotGroupOut(Schema):
    """The devices that receive a new CA first, and what is required of them.

    The devices are those in `devices`, or with one of `roles`. If `count` is not 0, they are that
    many devices with the most recent contact.
    """

    on: bool = Field(validation_alias="is_on")
    devices: list[str] = Field(validation_alias="names")
    roles: list[str]
    count: int
    percent: int = Field(description="share that must pass the preflight check")
    timeout_seconds: int


class PilotGroupIn(RequestBody):
    """The settings of the pilot group. See PilotGroupOut."""

    on: bool
    devices: list[Text] = Field([], max_length=MAX_MEMBERS)
    roles: list[Text] = Field([])
    count: int = Field(0, ge=0, le=MAX_MEMBERS)
    percent: int = Field(MAX_PERCENT, ge=1, le=MAX_PERCENT)
    timeout_seconds: int = Field(
        DEFAULT_TIMEOUT_SECONDS, ge=MIN_TIMEOUT_SECONDS, le=MAX_TIMEOUT_SECONDS
    )


@router.get("/pilot-group", response=PilotGroupOut)
def show_pilot_group(request: HttpRequest) -> Any:
    """Get the settings of the pilot group."""
    return settings.get_group()


@router.put(
    "/pilot-group", response=PilotGroupOut, auth=require(settings.RIGHT, reauthenticated=True)
)
def set_pilot_group(request: HttpRequest, body: PilotGroupIn) -> Any:
    """Set the pilot group. It applies to operations whose update is assigned afterward."""
    values = body.dict()
    names = tuple(dict.fromkeys(filter(None, map(str.strip, values.pop("devices")))))
    roles = tuple(values.pop("roles"))
    return settings.save_group(PilotGroup(values.pop("on"), names, roles, **values))


@router.post(
    "/operations/{operation_id}/continue-after-pilot",
    response=ProgressOut,
    auth=require(gates.CA_RIGHT, reauthenticated=True),
)
def continue_operation(request: HttpRequest, operation_id: str) -> Any:
    """Let all devices receive the update although the pilot group has not passed."""
    return run_action(operation_id, partial(continue_after_pilot, now=timezone.now()))
