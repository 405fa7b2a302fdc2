"""REST API of the replication status of updates.

See: D-34; D-35
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from console.rest.api import Page, Paging, get_by_number, paginate
from devices.models import Zone
from systemupdates.content import replica_status, replication
from systemupdates.models import Replica
from systemupdates.updates.api import MAY_DEPLOY, find_update

router = Router(tags=["updates"])


class ReplicaOut(Schema):
    """The replication status of an update on a content server.

    `blocks`: whether the automatic assignment is waiting for the server. `todo`: what happens next
    or what you can do. `tool_url`: download page of the Certificate Remint Tool on the server.
    """

    id: int = Field(validation_alias="replica.pk")
    update_id: UUID = Field(validation_alias="replica.update_id")
    server_id: UUID = Field(validation_alias="replica.server_id")
    server: str = Field(validation_alias="replica.server.name")
    state: str = Field(validation_alias="replica.state")
    progress: int = Field(validation_alias="replica.progress")
    reason: str = Field(validation_alias="replica.reason")
    changed_at: datetime = Field(validation_alias="replica.changed_at")
    last_contact: datetime | None = Field(validation_alias="replica.server.last_contact")
    status: str = Field(validation_alias="label")
    blocks: bool
    todo: str
    may_exclude: bool
    may_include: bool
    tool_sha256: str = Field(validation_alias="replica.tool_sha256")
    tool_url: str


@router.get("/updates/{update_id}/replicas", response=Page[ReplicaOut])
def list_replicas(request: HttpRequest, update_id: str, paging: Query[Paging]) -> Any:
    """List the content servers of an update and their replication status."""
    update, zone, now = find_update(update_id), Zone.objects.get_zone(), timezone.now()
    found = Replica.objects.filter(update=update).select_related("server", "server__parent")
    page = paginate(found.order_by("server__name", "pk"), paging)
    return {
        **page,
        "items": [replica_status.build_row(item, update, zone, now) for item in page["items"]],
    }


def _find(replica_id: str) -> Replica:
    found = Replica.objects.filter(update__deleted_at=None)
    return get_by_number(found.select_related("server", "server__parent", "update"), replica_id)


def _get_row(replica_id: str) -> replica_status.ReplicaRow:
    replica = _find(replica_id)
    return replica_status.build_row(
        replica, replica.update, Zone.objects.get_zone(), timezone.now()
    )


@router.get("/replicas/{replica_id}", response=ReplicaOut)
def show_replica(request: HttpRequest, replica_id: str) -> Any:
    """Get the replication status of an update on a content server."""
    return _get_row(replica_id)


@router.post("/replicas/{replica_id}/exclude", response=ReplicaOut, auth=MAY_DEPLOY)
def exclude(request: HttpRequest, replica_id: str) -> Any:
    """Exclude a content server from an update so that it does not block assignment."""
    replication.exclude(_find(replica_id), now=timezone.now())
    return _get_row(replica_id)


@router.post("/replicas/{replica_id}/include", response=ReplicaOut, auth=MAY_DEPLOY)
def include(request: HttpRequest, replica_id: str) -> Any:
    """Include an excluded content server in an update again."""
    replication.include(_find(replica_id), now=timezone.now())
    return _get_row(replica_id)
