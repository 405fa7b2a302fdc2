"""Where the content of an update is, and the acts on one content server (R049, D-34, D-35)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from console.rest.api import Page, Paging, by_number, page
from devices.models import Zone
from systemupdates.content import replica_status, replication
from systemupdates.models import Replica
from systemupdates.updates.api import MAY_DEPLOY, find

router = Router(tags=["updates"])


class ReplicaOut(Schema):
    """How the content of an update stands on one content server.

    `blocks`: the update is not assigned by itself before. `todo`: what goes on or what can be
    done. `tool_url`: where the server offers the Certificate Remint Tool.
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
    """Replication status: the content servers of an update."""
    update, zone, now = find(update_id), Zone.objects.the(), timezone.now()
    found = Replica.objects.filter(update=update).select_related("server", "server__parent")
    answer = page(found.order_by("server__name", "pk"), paging)
    return {
        **answer,
        "items": [replica_status.row(one, update, zone, now) for one in answer["items"]],
    }


def _find(replica_id: str) -> Replica:
    found = Replica.objects.filter(update__deleted_at=None)
    return by_number(found.select_related("server", "server__parent", "update"), replica_id)


def _shown(replica_id: str) -> replica_status.Row:
    replica = _find(replica_id)
    return replica_status.row(replica, replica.update, Zone.objects.the(), timezone.now())


@router.get("/replicas/{replica_id}", response=ReplicaOut)
def show_replica(request: HttpRequest, replica_id: str) -> Any:
    """Show how the content of an update stands on one content server."""
    return _shown(replica_id)


@router.post("/replicas/{replica_id}/exclude", response=ReplicaOut, auth=MAY_DEPLOY)
def exclude(request: HttpRequest, replica_id: str) -> Any:
    """Exclude a content server from an update, so that a dead one does not block for ever."""
    replication.exclude(_find(replica_id), now=timezone.now())
    return _shown(replica_id)


@router.post("/replicas/{replica_id}/include", response=ReplicaOut, auth=MAY_DEPLOY)
def include(request: HttpRequest, replica_id: str) -> Any:
    """Include a content server in an update again."""
    replication.include(_find(replica_id), now=timezone.now())
    return _shown(replica_id)
