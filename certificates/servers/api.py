"""Server certificates: the table of the page, chains, future certificates (manual, 1.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from pydantic import Field

from certificates.authority.api import PEM, DetailsOut, pem
from certificates.models import FutureCertificate
from certificates.servers import table
from console.pages.tables import DEFAULT_SIZE, Asked, sorted_by
from console.rest.api import Page, Paging, Text, as_file, by_guid, by_number, having, page
from devices.models import Device
from faults import NotFound
from pki.certificates.details import describe

router = Router(tags=["servers"], auth=having())


class CertificateOut(Schema):
    """The certificate that a server shows now."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    key_length: int
    md5: str
    sha1: str
    sha256: str
    active_since: datetime


class FutureOut(Schema):
    """The certificate that a server will show; `reason` and `action` tell of a failure."""

    operation_id: UUID | None
    state: str
    by_hand: bool
    has_csr: bool
    has_certificate: bool
    sha256: str = Field(validation_alias="digest")
    not_after: datetime | None
    reason: str
    action: str
    changed_at: datetime

    @staticmethod
    def resolve_has_csr(future: Any) -> bool:
        """Tell whether there is a CSR to fetch."""
        return bool(future.csr_pem)

    @staticmethod
    def resolve_has_certificate(future: Any) -> bool:
        """Tell whether there is a chain to fetch."""
        return bool(future.chain_pem)


class ServerOut(Schema):
    """One row of the table of server certificates."""

    id: UUID
    name: str
    fqdn: str
    role: str
    version: str
    status: str
    update_state: str
    certificate: CertificateOut | None
    future: FutureOut | None


class ServerFilter(Schema):
    """The search, chip and order of the page."""

    q: Text = ""
    state: Text = Field("", description="expiring, expired, failed, csr or ready")
    sort: Text = Field("", description="a column, with - in front for descending")


def _out(row: table.Row) -> dict[str, Any]:
    device = row.device
    return {
        "id": device.pk,
        "name": device.name,
        "fqdn": device.fqdn,
        "role": device.role,
        "version": device.version,
        "status": str(row.status[1]),
        "update_state": row.assignment.state if row.assignment else "",
        "certificate": row.certificate,
        "future": row.future,
    }


def _updates() -> list[UUID]:
    return [o.update_id for o in table.running() if o.update_id is not None]


@router.get("/servers", response=Page[ServerOut])
def list_servers(request: HttpRequest, paging: Query[Paging], wanted: Query[ServerFilter]) -> Any:
    """List the servers with their certificates; those that need attention come first."""
    now, updates = timezone.now(), _updates()
    asked = Asked(wanted.q.strip(), wanted.state, wanted.sort, "1", DEFAULT_SIZE)
    _columns, field, descending = sorted_by(table.COLUMNS, asked.sort)
    found = table.matching(table.servers(now, updates), asked, now)
    total = found.count()
    keys = table.ordered(found, field, now, descending=descending).values_list("pk", flat=True)
    part = list(keys[paging.offset : paging.offset + paging.limit])
    return {
        "items": [_out(row) for row in table.rows(part, updates, now)],
        "total": total,
        "limit": paging.limit,
        "offset": paging.offset,
    }


def find(server_id: str) -> Device:
    """Return a server that holds a certificate of the zone, by its key."""
    return by_guid(Device.objects.certified(), server_id)


def coming(device: Device) -> FutureCertificate:
    """Return the future certificate of a server, the one of an operation before its first."""
    rows = FutureCertificate.objects.open().filter(device=device).foremost()
    found = rows.select_related("device", "authority", "operation").first()
    if found is None:
        raise NotFound(
            _("No new certificate is on its way to %(device)s.") % {"device": device.name}
        )
    return found


def row(device: Device) -> dict[str, Any]:
    """Return the row of one server as it is now."""
    return _out(table.rows([device.pk], _updates(), timezone.now())[0])


@router.get("/servers/{server_id}", response=ServerOut)
def show_server(request: HttpRequest, server_id: str) -> Any:
    """Show one server with its certificates."""
    return row(find(server_id))


@router.get("/servers/{server_id}/certificate", openapi_extra=as_file(PEM))
def server_certificate(request: HttpRequest, server_id: str) -> HttpResponse:
    """Return the certificate that a server shows, with its chain, as PEM."""
    device = find(server_id)
    return pem(_chain(device), f"{file_name(device)}.pem")


@router.get("/servers/{server_id}/certificate/details", response=DetailsOut)
def server_certificate_details(request: HttpRequest, server_id: str) -> Any:
    """View Certificate of a server."""
    return describe(_chain(find(server_id)))


class PastOut(CertificateOut):
    """A certificate that a server shows or has shown."""

    id: int
    superseded_at: datetime | None


@router.get("/servers/{server_id}/certificates", response=Page[PastOut])
def list_server_certificates(request: HttpRequest, server_id: str, paging: Query[Paging]) -> Any:
    """List what a server has shown, the newest first."""
    return page(find(server_id).certificates.order_by("-active_since", "-pk"), paging)


@router.get("/servers/{server_id}/certificates/{certificate_id}", openapi_extra=as_file(PEM))
def past_certificate(request: HttpRequest, server_id: str, certificate_id: str) -> HttpResponse:
    """Return a certificate that a server has shown, with its chain, as PEM."""
    device = find(server_id)
    found = by_number(device.certificates.all(), certificate_id)
    return pem(found.chain_pem, f"{file_name(device)}-{found.digest[:8]}.pem")


def _chain(device: Device) -> str:
    found = device.certificates.filter(superseded_at=None).first()
    if found is None:
        raise NotFound(_("%(device)s has no certificate yet.") % {"device": device.name})
    return str(found.chain_pem)


def file_name(device: Device) -> str:
    """Return what a server's files are called."""
    name = device.fqdn or device.name
    return "".join(char if char.isalnum() or char in ".-" else "_" for char in name)
