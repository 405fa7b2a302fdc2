"""System updates: how they stand, what was signed, their rollout, and what ends them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.pages.tables import sorted_by
from console.rest.api import Page, Paging, Text, by_guid, having, page
from devices.models import Zone
from systemupdates.assignments import rollout
from systemupdates.content import replication
from systemupdates.models import SystemUpdate
from systemupdates.updates import lifecycle, tables
from systemupdates.updates import lifecycle as updates_lifecycle

router = Router(tags=["updates"])
DEPLOY = "systemupdates.deploy_update"
MAY_DEPLOY = having(DEPLOY)


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
    staged: bool
    devices: dict[str, int] = Field(default_factory=dict)


class UpdateFilter(Schema):
    """Which updates to return; `state` may also be `available`, `deploying` or `history`."""

    q: Text = ""
    state: Text = ""
    sort: Text = Field("", description="name, created, state, activation; - in front: descending")


class FileOut(Schema):
    """A file of an update's content."""

    name: str
    size: int
    sha256: str


class NoticeOut(Schema):
    """Something that the zone key announced about an update."""

    kind: str
    revision: int
    created_at: datetime

    @staticmethod
    def resolve_kind(notice: Any) -> str:
        """Return the kind by its name."""
        return str(notice.Kind(notice.kind).name.lower())


class StageRunOut(Schema):
    """A deployment stage of this update; it waits while `started_at` is null."""

    name: str
    timeout_seconds: int
    started_at: datetime | None


class ReleaseOut(UpdateOut):
    """Release details; `signature` is valid, invalid, or none before anything was signed."""

    files: list[FileOut]
    signature: str
    root_sha256: str
    grace_until: datetime | None
    server_ids: list[UUID] = Field(description="to whom it goes; empty: every device")
    notices: list[NoticeOut]
    stages: list[StageRunOut]


class PointOut(Schema):
    """How many devices were how far at one time."""

    at: datetime
    applied: int = Field(validation_alias="trusted")
    activated: int
    failed: int
    devices: int = Field(validation_alias="of")


class UpdateRolloutOut(Schema):
    """The rollout of an update over time; the last point is now while it goes on."""

    points: list[PointOut]


def with_counts(updates: list[SystemUpdate]) -> list[SystemUpdate]:
    """Note on each update how its devices stand."""
    numbers = tables.counts(updates)
    for update in updates:
        update.devices = dict(sorted(numbers[update.pk].items()))
    return updates


@router.get("/updates", response=Page[UpdateOut])
def list_updates(request: HttpRequest, paging: Query[Paging], wanted: Query[UpdateFilter]) -> Any:
    """List the system updates, the newest first."""
    _columns, field, descending = sorted_by(tables.UPDATE_COLUMNS, wanted.sort)
    order = f"{'-' if descending else ''}{field}" if field else "-created_at"
    answer = page(tables.updates(wanted.q, wanted.state).order_by(order, "pk"), paging)
    return {**answer, "items": with_counts(answer["items"])}


def find(update_id: str) -> SystemUpdate:
    """Return an update that nobody has deleted, without its manifest."""
    return by_guid(SystemUpdate.objects.shown().defer("envelope"), update_id)


def shown(update_id: str) -> SystemUpdate:
    """Return how an update stands now."""
    return with_counts([find(update_id)])[0]


@router.get("/updates/{update_id}", response=UpdateOut)
def show_update(request: HttpRequest, update_id: str) -> Any:
    """Show one system update."""
    return shown(update_id)


@router.get("/updates/{update_id}/release", response=ReleaseOut)
def show_release(request: HttpRequest, update_id: str) -> Any:
    """Show what was signed and announced: the release details."""
    update: Any = by_guid(SystemUpdate.objects.shown(), update_id)
    signed = updates_lifecycle.signed(update, Zone.objects.the())
    kept = "invalid" if signed is None else "valid"
    with_counts([update])
    update.signature = kept if update.envelope is not None else "none"
    update.root_sha256 = signed.root_sha256 if signed is not None else ""
    update.grace_until = (
        updates_lifecycle.moment(signed.grace_until) if signed is not None else None
    )
    update.server_ids = list(signed.servers) if signed is not None else []
    return {
        **{name: getattr(update, name) for name in _PLAIN},
        "guid": update.pk,
        "notices": list(update.notices.order_by("pk")),
        "stages": list(update.stage_runs.all()),
    }


_PLAIN = tuple(name for name in ReleaseOut.model_fields if name not in ("id", "notices", "stages"))


@router.get("/updates/{update_id}/rollout", response=UpdateRolloutOut)
def show_update_rollout(request: HttpRequest, update_id: str) -> Any:
    """Show how the update spread over time: what the chart of its page draws."""
    update = find(update_id)
    numbers = tables.counts([update])[update.pk]
    points = rollout.points(update, numbers, now=timezone.now())
    return {"points": [{"at": at, **counts} for at, counts in points]}


@router.post("/updates/{update_id}/replicate-now", response=UpdateOut, auth=MAY_DEPLOY)
def replicate_update_now(request: HttpRequest, update_id: str) -> Any:
    """Ask every content server that lacks the content of an update to fetch it at once."""
    replication.replicate_now(find(update_id), now=timezone.now())
    return shown(update_id)


@router.post("/updates/{update_id}/redeploy", response=UpdateOut, auth=MAY_DEPLOY)
def redeploy_failed(request: HttpRequest, update_id: str) -> Any:
    """Redeploy an update on every device on which it failed."""
    lifecycle.redeploy_failed(find(update_id), now=timezone.now())
    return shown(update_id)


@router.post("/updates/{update_id}/baseline", response=UpdateOut, auth=MAY_DEPLOY)
def baseline(request: HttpRequest, update_id: str) -> Any:
    """Baseline a completed update: nobody is offered it any more."""
    lifecycle.baseline(find(update_id))
    return shown(update_id)


@router.delete("/updates/{update_id}", response={204: None}, auth=MAY_DEPLOY)
def delete(request: HttpRequest, update_id: str) -> Any:
    """Delete a baselined or cancelled update: its remint tool is withdrawn."""
    lifecycle.delete(find(update_id), now=timezone.now())
    return Status(204, None)
