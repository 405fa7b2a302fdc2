"""REST API for trust: roots, cross-certificates, stragglers, and waiting servers.

See: docs/decisions.md D-28, D-29, D-35, D-47
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from certificates.models import Authority
from certificates.operations.api.operations import get_operation
from certificates.operations.states import AuthorityState
from certificates.trust import stragglers
from console.rest.api import Page, Paging, Text, paginate
from devices.models import Zone

router = Router(tags=["trust"])


class RootOut(Schema):
    """A current, future, or old root of the zone.

    `devices` is the number of devices that use it, and `hosts` that of the certificates of it that
    hosts without an agent use. `cross_certificate_until` is the end of the
    cross-certificate from it to the current root. `retires` describes when it will be retired.
    """

    authority_id: UUID = Field(validation_alias="authority.pk")
    subject: str = Field(validation_alias="authority.subject")
    sha256: str = Field(validation_alias="authority.sha256")
    state: str = Field(validation_alias="authority.state")
    not_after: datetime = Field(validation_alias="authority.not_after")
    devices: int = Field(validation_alias="holders")
    hosts: int = Field(description="its certificates that hosts without an agent use")
    cross_certificate_until: datetime | None
    bridge_until: datetime | None = Field(
        validation_alias="cross_certificate_until",
        description="use `cross_certificate_until`",
        deprecated=True,
    )
    retires: str


class StragglerOut(Schema):
    """A device that does not use the current root yet.

    `status` is `relies` if it reaches its servers only through the cross-certificate, and
    `not-yet` if it already trusts the current root.
    """

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    status: str
    standing: str = Field(validation_alias="status", description="use `status`", deprecated=True)
    last_contact: datetime | None


class TrustOut(Page[StragglerOut]):
    """The roots of the zone and the devices that do not use the current root yet."""

    roots: list[RootOut]
    has_cross_certificate: bool = Field(
        description="whether servers currently send a cross-certificate to the current root"
    )
    bridged: bool = Field(
        validation_alias="has_cross_certificate",
        description="use `has_cross_certificate`",
        deprecated=True,
    )
    counts: dict[str, int]


class NotRefreshedDeviceOut(Schema):
    """A device without contact since the last new certificate was stored."""

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    last_contact: datetime | None


class NotRefreshedOut(Page[NotRefreshedDeviceOut]):
    """The devices that have not refreshed since the last new certificate was stored."""

    stored_at: datetime | None


class WaitingServerOut(Schema):
    """A waiting server. `text` describes what it is waiting for, `todo` what you can do."""

    server_id: UUID = Field(validation_alias="device.pk")
    server: str = Field(validation_alias="device.name")
    urgent: bool
    text: str
    todo: str

    @staticmethod
    def resolve_urgent(one: Any) -> bool:
        """Return True if an administrator must act."""
        return bool(one.tone == "bad")


class TrustFilter(Schema):
    """Which devices to return."""

    q: Text = ""
    status: Text = Field("", description="relies or not-yet")
    standing: Text = Field("", description="use `status`", json_schema_extra={"deprecated": True})


class NotRefreshedFilter(Schema):
    """Which devices to return."""

    q: Text = ""


@router.get("/trust", response=TrustOut)
def show_trust(request: HttpRequest, paging: Query[Paging], wanted: Query[TrustFilter]) -> Any:
    """List trusted roots, cross-certificates, and the devices that still need an old root."""
    now = timezone.now()
    every = stragglers.get_stragglers()
    numbers = stragglers.count_by_status(every)
    status = wanted.status or wanted.standing
    found = every.filter(status=status) if status in numbers else every
    if wanted.q:
        found = found.filter(name__icontains=wanted.q)
    return {
        **paginate(found.order_by("-status", "name", "pk"), paging),
        "roots": stragglers.list_roots(now),
        "has_cross_certificate": stragglers.has_cross_certificate(now),
        "counts": numbers,
    }


@router.get("/operations/{operation_id}/not-refreshed", response=NotRefreshedOut)
def show_not_refreshed(
    request: HttpRequest,
    operation_id: str,
    paging: Query[Paging],
    wanted: Query[NotRefreshedFilter],
) -> Any:
    """List the devices that have not refreshed since the most recent certificate was stored."""
    operation = get_operation(operation_id)
    found = stragglers.get_not_refreshed(operation)
    if wanted.q:
        found = found.filter(name__icontains=wanted.q)
    stored = stragglers.get_last_stored(operation)
    return {**paginate(found.order_by("name", "pk"), paging), "stored_at": stored}


@router.get("/waiting-servers", response=list[WaitingServerOut])
def list_waiting_servers(request: HttpRequest) -> Any:
    """List up to 20 servers that are waiting for content, contact, or approval."""
    now = timezone.now()
    authority = Authority.objects.filter(state=AuthorityState.CURRENT).first()
    found = stragglers.list_waiting_servers(
        Zone.objects.get_zone(),
        now,
        is_ca_expired=authority is not None and authority.has_expired(now),
    )
    return found[: stragglers.MAX_SERVERS]
