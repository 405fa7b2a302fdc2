"""Roots, bridges, devices that come late, servers that wait, by name (D-28, D-29, D-35, D-47)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from certificates.operations.api.operations import find
from certificates.trust import stragglers
from certificates.trust import stragglers as trust_stragglers
from console.rest.api import Page, Paging, Text, page
from devices.models import Zone

router = Router(tags=["trust"])


class RootOut(Schema):
    """A root that the zone trusts or is about to, and what keeps it.

    `devices`: how many use it. `bridge_until`: until when servers send a bridge from it to the
    current root. `retires`: when and on what condition it goes, "" for one that stays.
    """

    authority_id: UUID = Field(validation_alias="authority.pk")
    subject: str = Field(validation_alias="authority.subject")
    sha256: str = Field(validation_alias="authority.sha256")
    state: str = Field(validation_alias="authority.state")
    not_after: datetime = Field(validation_alias="authority.not_after")
    devices: int = Field(validation_alias="holders")
    bridge_until: datetime | None
    retires: str


class LateOut(Schema):
    """A device that does not use the current root yet.

    `standing` is `relies` where it reaches its servers by the bridge alone, and `not-yet` where it
    trusts the current root already.
    """

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    standing: str
    last_contact: datetime | None


class TrustOut(Page[LateOut]):
    """The roots of the zone, and the devices that do not use the current one yet."""

    roots: list[RootOut]
    bridged: bool = Field(description="servers send a bridge to the current root now")
    counts: dict[str, int]


class UnheardOut(Schema):
    """A device that was not heard since the last new certificate was stored."""

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    last_contact: datetime | None


class NotRefreshedOut(Page[UnheardOut]):
    """The devices that have not refreshed since the last new certificate was stored."""

    stored_at: datetime | None


class WaitingOut(Schema):
    """A server that waits; `text` says for what, `todo` what goes on or what can be done."""

    server_id: UUID = Field(validation_alias="device.pk")
    server: str = Field(validation_alias="device.name")
    urgent: bool
    text: str
    todo: str

    @staticmethod
    def resolve_urgent(one: Any) -> bool:
        """Tell whether something is wrong, not merely under way."""
        return bool(one.tone == "bad")


class LateFilter(Schema):
    """Which devices to return."""

    q: Text = ""
    standing: Text = Field("", description="relies or not-yet")


class NotRefreshedFilter(Schema):
    """Which devices to return."""

    q: Text = ""


@router.get("/trust", response=TrustOut)
def show_trust(request: HttpRequest, paging: Query[Paging], wanted: Query[LateFilter]) -> Any:
    """Roots and bridges: which roots the zone trusts, and who still needs an old one."""
    now = timezone.now()
    every = stragglers.standing_back()
    numbers = stragglers.count(every)
    found = every.filter(standing=wanted.standing) if wanted.standing in numbers else every
    if wanted.q:
        found = found.filter(name__icontains=wanted.q)
    return {
        **page(found.order_by("-standing", "name", "pk"), paging),
        "roots": stragglers.roots(now),
        "bridged": stragglers.is_bridged(now),
        "counts": numbers,
    }


@router.get("/operations/{operation_id}/not-refreshed", response=NotRefreshedOut)
def show_not_refreshed(
    request: HttpRequest,
    operation_id: str,
    paging: Query[Paging],
    wanted: Query[NotRefreshedFilter],
) -> Any:
    """List the devices that have not refreshed since the last new certificate was stored."""
    operation = find(operation_id)
    found = stragglers.not_refreshed(operation)
    if wanted.q:
        found = found.filter(name__icontains=wanted.q)
    stored = stragglers.last_stored(operation)
    return {**page(found.order_by("name", "pk"), paging), "stored_at": stored}


@router.get("/waiting-servers", response=list[WaitingOut])
def list_waiting_servers(request: HttpRequest) -> Any:
    """List the servers that wait for content, contact or approval, as Home does: 20 at most."""
    return trust_stragglers.servers(Zone.objects.the(), timezone.now())[: trust_stragglers.AT_MOST]
