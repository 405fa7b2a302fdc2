"""REST API of deployment stages.

See: D-37
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field, StringConstraints

from console.rest.api import Page, Paging, RequestBody, Text, get_by_number, paginate
from devices.models import Device, Zone
from systemupdates.assignments import stages as assignments_stages
from systemupdates.models import Stage
from systemupdates.updates.api import MAY_DEPLOY

router = Router(tags=["stages"])
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[^\x00]*$", min_length=1, max_length=64),
]


class StageMemberOut(Schema):
    """A device in a stage."""

    id: UUID
    name: str


class DeploymentStageOut(Schema):
    """A deployment stage. The stage with the lowest position starts first."""

    id: int
    name: str
    position: int
    timeout_seconds: int
    members: list[StageMemberOut]


class DeploymentStagesOut(Page[DeploymentStageOut]):
    """The stages, and the number of devices in no stage, which receive staged updates last."""

    others: int


class DeploymentStageIn(RequestBody):
    """The settings of a stage. `members` are device names. A device can be in only one stage."""

    name: Name
    members: list[Text] = Field(default_factory=list, max_length=assignments_stages.MAX_MEMBERS)
    timeout_seconds: int | None = Field(
        None,
        ge=assignments_stages.MIN_TIMEOUT_SECONDS,
        le=assignments_stages.MAX_TIMEOUT_SECONDS,
        description=("null keeps the current value, or uses the zone setting for a new stage"),
    )


class StageMoveIn(RequestBody):
    """The direction in which to move a stage."""

    up: bool


def _serialize(stages: list[Stage]) -> list[dict[str, Any]]:
    members = assignments_stages.get_members([stage.pk for stage in stages])
    return [
        {
            "id": stage.pk,
            "name": stage.name,
            "position": stage.position,
            "timeout_seconds": stage.timeout_seconds,
            "members": [{"id": guid, "name": name} for guid, name in members[stage.pk]],
        }
        for stage in stages
    ]


def _find(stage_id: str) -> Stage:
    return get_by_number(Stage.objects.all(), stage_id)


@router.get("/deployment-stages", response=DeploymentStagesOut)
def list_stages(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List deployment stages in order."""
    page = paginate(Stage.objects.order_by("position", "pk"), paging)
    others = Device.objects.registered().filter(stages=None).count()
    return {**page, "items": _serialize(page["items"]), "others": others}


@router.get("/deployment-stages/{stage_id}", response=DeploymentStageOut)
def show_stage(request: HttpRequest, stage_id: str) -> Any:
    """Get a deployment stage."""
    return _serialize([_find(stage_id)])[0]


def _save(body: DeploymentStageIn, stage: Stage | None) -> dict[str, Any]:
    default = stage.timeout_seconds if stage else Zone.objects.get_zone().stage_timeout_seconds
    members = list(dict.fromkeys(filter(None, map(str.strip, body.members))))
    settings = assignments_stages.StageSettings(body.name, body.timeout_seconds or default, members)
    return _serialize([assignments_stages.save_stage(settings, stage=stage)])[0]


@router.post("/deployment-stages", response={201: DeploymentStageOut}, auth=MAY_DEPLOY)
def create_stage(request: HttpRequest, body: DeploymentStageIn) -> Any:
    """Add a deployment stage after the existing stages. Names must be unique."""
    return Status(201, _save(body, None))


@router.put("/deployment-stages/{stage_id}", response=DeploymentStageOut, auth=MAY_DEPLOY)
def change_stage(request: HttpRequest, stage_id: str, body: DeploymentStageIn) -> Any:
    """Change a deployment stage. The members you specify replace the current members."""
    return _save(body, _find(stage_id))


@router.post("/deployment-stages/{stage_id}/move", response=DeploymentStageOut, auth=MAY_DEPLOY)
def move_stage(request: HttpRequest, stage_id: str, body: StageMoveIn) -> Any:
    """Move a deployment stage up or down by one position."""
    assignments_stages.move_stage(_find(stage_id), up=body.up)
    return _serialize([_find(stage_id)])[0]


@router.delete("/deployment-stages/{stage_id}", response={204: None}, auth=MAY_DEPLOY)
def remove_stage(request: HttpRequest, stage_id: str) -> Any:
    """Remove a deployment stage. Its devices receive staged updates last."""
    assignments_stages.remove_stage(_find(stage_id))
    return Status(204, None)
