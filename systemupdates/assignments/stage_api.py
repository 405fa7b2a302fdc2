"""Deployment stages: order, members and timeout; certificate updates bypass them (D-37, R077)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field, StringConstraints

from console.rest.api import Order, Page, Paging, Text, by_number, page
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
    """A device of a stage."""

    id: UUID
    name: str


class DeploymentStageOut(Schema):
    """A deployment stage; the one of the least position begins."""

    id: int
    name: str
    position: int
    timeout_seconds: int
    members: list[StageMemberOut]


class DeploymentStagesOut(Page[DeploymentStageOut]):
    """The stages, and how many devices are in none: they get a staged update last."""

    others: int


class DeploymentStageOrder(Order):
    """What a stage shall be; `members` are names of devices, each in one stage at most."""

    name: Name
    members: list[Text] = Field(default_factory=list, max_length=assignments_stages.MOST_MEMBERS)
    timeout_seconds: int | None = Field(
        None,
        ge=assignments_stages.LEAST_SECONDS,
        le=assignments_stages.MOST_SECONDS,
        description="null: as before, for a new stage the zone's",
    )


class StageMoveOrder(Order):
    """Whether a stage changes places with the one before it, else with the one behind."""

    up: bool


def _out(stages: list[Stage]) -> list[dict[str, Any]]:
    members = assignments_stages.members_of([stage.pk for stage in stages])
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
    return by_number(Stage.objects.all(), stage_id)


@router.get("/deployment-stages", response=DeploymentStagesOut)
def list_stages(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the deployment stages in their order."""
    answer = page(Stage.objects.order_by("position", "pk"), paging)
    others = Device.objects.registered().filter(stages=None).count()
    return {**answer, "items": _out(answer["items"]), "others": others}


@router.get("/deployment-stages/{stage_id}", response=DeploymentStageOut)
def show_stage(request: HttpRequest, stage_id: str) -> Any:
    """Show one deployment stage."""
    return _out([_find(stage_id)])[0]


def _save(order: DeploymentStageOrder, stage: Stage | None) -> dict[str, Any]:
    usual = stage.timeout_seconds if stage else Zone.objects.the().stage_timeout_seconds
    members = list(dict.fromkeys(filter(None, map(str.strip, order.members))))
    wanted = assignments_stages.StageOrder(order.name, order.timeout_seconds or usual, members)
    return _out([assignments_stages.save(wanted, stage=stage)])[0]


@router.post("/deployment-stages", response={201: DeploymentStageOut}, auth=MAY_DEPLOY)
def make_stage(request: HttpRequest, order: DeploymentStageOrder) -> Any:
    """Make a deployment stage behind all others; a name is given once."""
    return Status(201, _save(order, None))


@router.put("/deployment-stages/{stage_id}", response=DeploymentStageOut, auth=MAY_DEPLOY)
def change_stage(request: HttpRequest, stage_id: str, order: DeploymentStageOrder) -> Any:
    """Change a deployment stage; the members replace those it has."""
    return _save(order, _find(stage_id))


@router.post("/deployment-stages/{stage_id}/move", response=DeploymentStageOut, auth=MAY_DEPLOY)
def move_stage(request: HttpRequest, stage_id: str, order: StageMoveOrder) -> Any:
    """Move a deployment stage one place up or down; at the end it stays where it is."""
    assignments_stages.move(_find(stage_id), up=order.up)
    return _out([_find(stage_id)])[0]


@router.delete("/deployment-stages/{stage_id}", response={204: None}, auth=MAY_DEPLOY)
def remove_stage(request: HttpRequest, stage_id: str) -> Any:
    """Remove a deployment stage; its devices get staged updates last."""
    assignments_stages.remove(_find(stage_id))
    return Status(204, None)
