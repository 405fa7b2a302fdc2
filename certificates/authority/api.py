"""The zone CA: what it is, its certificate, and which acts on it are possible now."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from ninja import Query, Router, Schema
from pydantic import Field

from certificates.authority import gates
from certificates.models import Authority, Operation
from certificates.operations.activation_time import limits
from console.access.api_tokens import allowed
from console.pages.tables import as_download
from console.rest.api import Page, Paging, as_file, by_guid, page
from devices.models import Device
from pki.certificates.details import describe

router = Router(tags=["authority"])
PEM = "application/x-pem-file"


class AuthorityOut(Schema):
    """A zone CA: the current one, a future one, or one whose root is or was still trusted."""

    id: UUID = Field(validation_alias="guid")
    kind: str
    state: str
    subject: str
    common_name: str
    key_length: int
    not_before: datetime
    not_after: datetime
    sha256: str
    certificate_server_id: UUID | None
    activated_at: datetime | None
    grace_until: datetime | None
    created_at: datetime


class DetailsOut(Schema):
    """What View Certificate shows (manual, 1.2.2); MD5 and SHA-1 are for display only."""

    subject: str
    issuer: str
    serial: str = Field(validation_alias="serial_hex")
    not_before: datetime
    not_after: datetime
    key: str = Field(validation_alias="key_label")
    signature_algorithm: str
    dns_names: list[str]
    addresses: list[str]
    md5: str
    sha1: str
    sha256: str


class GateOut(Schema):
    """One act, and why it is not possible now ("" where it is)."""

    name: str
    open: bool
    reason: str


class LimitsOut(Schema):
    """Between which times an activation may lie, and a suggestion."""

    earliest: datetime
    latest: datetime
    latest_because: str
    immediate: bool
    suggestion: datetime
    suggestion_text: str
    warnings: list[str]


class LimitsFilter(Schema):
    """For which operation, and for which servers where it is about some."""

    kind: Operation.Kind = Operation.Kind.REMINT_CA
    servers: list[UUID] = Field(default_factory=list, max_length=1000)


@router.get("/authority", response=AuthorityOut)
def show_authority(request: HttpRequest) -> Any:
    """Show the zone CA."""
    return Authority.objects.current()


@router.get("/authorities", response=Page[AuthorityOut])
def list_authorities(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List every authority that the zone has had, the newest first."""
    return page(Authority.objects.order_by("-created_at", "pk"), paging)


@router.get("/authorities/{authority_id}", response=AuthorityOut)
def show_one_authority(request: HttpRequest, authority_id: str) -> Any:
    """Show one authority."""
    return by_guid(Authority.objects.all(), authority_id)


@router.get("/authorities/{authority_id}/certificate", openapi_extra=as_file(PEM))
def authority_certificate(request: HttpRequest, authority_id: str) -> HttpResponse:
    """Return the certificate of an authority as PEM."""
    found = by_guid(Authority.objects.all(), authority_id)
    return pem(found.root_pem, f"{slugify(found.common_name) or 'zone'}-ca.pem")


@router.get("/authorities/{authority_id}/details", response=DetailsOut)
def authority_details(request: HttpRequest, authority_id: str) -> Any:
    """View Certificate of an authority."""
    return describe(by_guid(Authority.objects.all(), authority_id).root_pem)


@router.get("/gates", response=list[GateOut])
def list_gates(request: HttpRequest) -> Any:
    """Tell which acts on the zone CA are possible now, and why the others are not."""
    authority = Authority.objects.current()
    pending = Operation.objects.blocking().first()
    may = allowed(request, gates.CA_RIGHT)
    return [
        {"name": gate.button, "open": gate.is_open, "reason": str(gate.reason)}
        for gate in gates.ca_gates(authority, pending, may=may)
    ]


@router.get("/activation-limits", response=LimitsOut)
def activation_limits(request: HttpRequest, wanted: Query[LimitsFilter]) -> Any:
    """Tell when an operation could be activated at the earliest and at the latest."""
    servers = list(Device.objects.certified().filter(pk__in=wanted.servers))
    return limits(wanted.kind, servers=servers, now=timezone.now())


def pem(text: str, name: str, kind: str = PEM) -> HttpResponse:
    """Return a PEM text as a file."""
    return as_download(HttpResponse(text, content_type=kind), name)
