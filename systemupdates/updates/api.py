"""REST API of system updates."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from audit.models import from_timestamp
from console.pages.tables import list_sort_keys, sort_columns
from console.rest.api import Page, Paging, Text, check_sort, get_by_guid, paginate, require
from devices.models import Zone
from systemupdates.assignments import rollout
from systemupdates.content import replication
from systemupdates.models import SystemUpdate
from systemupdates.updates import lifecycle, tables

router = Router(tags=["updates"])
DEPLOY = "systemupdates.deploy_update"
MAY_DEPLOY = require(DEPLOY)


class UpdateOut(Schema):
    """A system update, and the number of its devices by state."""

    id: UUID = Field(validation_alias="guid")
    name: str
    kind: str
    state: str
    revision: int
    activates_at: datetime | None
    initiating_server_id: UUID
    created_at: datetime
    assigned_at: datetime | None
    assigned_manually: bool
    assigned_by_hand: bool = Field(
        validation_alias="assigned_manually", description="use `assigned_manually`", deprecated=True
    )
    staged: bool
    devices: dict[str, int] = Field(default_factory=dict)


class UpdateFilter(Schema):
    """The updates to return. `state` can also be `available`, `deploying`, or `history`."""

    q: Text = ""
    state: Text = ""
    sort: Text = Field(
        "", description=("name, created, state, or activation; prefix with - for descending order")
    )


class FileOut(Schema):
    """A file of the content of an update."""

    name: str
    size: int
    sha256: str


# Deprecated values of `kind`, returned for one release.
_OLD_KINDS = {"activation_order": "go", "cancellation": "cancel", "retirement": "retire"}


class NoticeOut(Schema):
    """A trust notice about an update, signed with the zone key."""

    type: str = Field(
        description="activation_order, cancellation, activated, retirement, or rollback"
    )
    kind: str = Field(description="use `type`", deprecated=True)
    revision: int
    created_at: datetime

    @staticmethod
    def resolve_type(notice: Any) -> str:
        """Return the name of the kind."""
        return str(notice.Kind(notice.kind).name.lower())

    @staticmethod
    def resolve_kind(notice: Any) -> str:
        """Return the name of the kind in the previous release."""
        name = NoticeOut.resolve_type(notice)
        return _OLD_KINDS.get(name, name)


class StageRunOut(Schema):
    """A deployment stage of the update. `started_at` is null until the stage starts."""

    name: str
    timeout_seconds: int
    started_at: datetime | None


class ReleaseOut(UpdateOut):
    """Release details. `signature` is valid, invalid, or none (not signed yet)."""

    files: list[FileOut]
    signature: str
    root_sha256: str
    grace_until: datetime | None
    server_ids: list[UUID] = Field(
        description=("devices the update is assigned to; empty means all devices")
    )
    notices: list[NoticeOut]
    stages: list[StageRunOut]


class PointOut(Schema):
    """The numbers of devices at one time."""

    at: datetime
    applied: int = Field(validation_alias="trusted")
    activated: int
    failed: int
    devices: int = Field(validation_alias="of")


class UpdateRolloutOut(Schema):
    """The rollout of an update over time. The last point is now while it is in progress."""

    points: list[PointOut]


def add_counts(updates: list[SystemUpdate]) -> list[SystemUpdate]:
    """Set the number of devices by state on each update."""
    numbers = tables.count_devices(updates)
    for update in updates:
        update.devices = dict(sorted(numbers[update.pk].items()))
    return updates


@router.get("/updates", response=Page[UpdateOut])
def list_updates(request: HttpRequest, paging: Query[Paging], selected: Query[UpdateFilter]) -> Any:
    """List system updates, newest first."""
    check_sort(selected.sort, list_sort_keys(tables.UPDATE_COLUMNS))
    _columns, field, descending = sort_columns(tables.UPDATE_COLUMNS, selected.sort)
    order = f"{'-' if descending else ''}{field}" if field else "-created_at"
    page = paginate(tables.filter_updates(selected.q, selected.state).order_by(order, "pk"), paging)
    return {**page, "items": add_counts(page["items"])}


def find_update(update_id: str) -> SystemUpdate:
    """Return an update that has not been deleted, without its manifest."""
    return get_by_guid(SystemUpdate.objects.visible().defer("envelope"), update_id)


def get_update(update_id: str) -> SystemUpdate:
    """Return an update with the number of its devices by state."""
    return add_counts([find_update(update_id)])[0]


@router.get("/updates/{update_id}", response=UpdateOut)
def show_update(request: HttpRequest, update_id: str) -> Any:
    """Get a system update."""
    return get_update(update_id)


@router.get("/updates/{update_id}/release", response=ReleaseOut)
def show_release(request: HttpRequest, update_id: str) -> Any:
    """Get the release details: the signed manifest and trust notices of an update."""
    update: Any = get_by_guid(SystemUpdate.objects.visible(), update_id)
    manifest = lifecycle.get_verified_manifest(update, Zone.objects.get_zone())
    signature = "invalid" if manifest is None else "valid"
    add_counts([update])
    update.signature = signature if update.envelope is not None else "none"
    update.root_sha256 = manifest.root_sha256 if manifest is not None else ""
    update.grace_until = from_timestamp(manifest.grace_until) if manifest is not None else None
    update.server_ids = list(manifest.servers) if manifest is not None else []
    return {
        **{name: getattr(update, name) for name in _RELEASE_FIELDS},
        "guid": update.pk,
        "notices": list(update.notices.order_by("pk")),
        "stages": list(update.stage_runs.all()),
    }


_COMPUTED = ("id", "assigned_by_hand", "notices", "stages")
_RELEASE_FIELDS = tuple(name for name in ReleaseOut.model_fields if name not in _COMPUTED)


@router.get("/updates/{update_id}/rollout", response=UpdateRolloutOut)
def show_update_rollout(request: HttpRequest, update_id: str) -> Any:
    """Get the rollout progress of an update over time."""
    update = find_update(update_id)
    numbers = tables.count_devices([update])[update.pk]
    points = rollout.get_points(update, numbers, now=timezone.now())
    return {"points": [{"at": at, **counts} for at, counts in points]}


@router.post("/updates/{update_id}/replicate-now", response=UpdateOut, auth=MAY_DEPLOY)
def replicate_now(request: HttpRequest, update_id: str) -> Any:
    """Start replication immediately on all content servers that lack the content of an update."""
    replication.replicate_now(find_update(update_id), now=timezone.now())
    return get_update(update_id)


@router.post("/updates/{update_id}/redeploy", response=UpdateOut, auth=MAY_DEPLOY)
def redeploy_failed(request: HttpRequest, update_id: str) -> Any:
    """Redeploy an update to all devices on which it failed."""
    lifecycle.redeploy_failed(find_update(update_id), now=timezone.now())
    return get_update(update_id)


@router.post("/updates/{update_id}/baseline", response=UpdateOut, auth=MAY_DEPLOY)
def baseline(request: HttpRequest, update_id: str) -> Any:
    """Baseline a completed update. It is no longer offered to devices."""
    lifecycle.baseline(find_update(update_id))
    return get_update(update_id)


@router.delete("/updates/{update_id}", response={204: None}, auth=MAY_DEPLOY)
def delete(request: HttpRequest, update_id: str) -> Any:
    """Delete a baselined or canceled update and its Certificate Remint Tool."""
    lifecycle.delete(find_update(update_id), now=timezone.now())
    return Status(204, None)
