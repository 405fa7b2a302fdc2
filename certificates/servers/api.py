"""REST API for server certificates: list, chains, and details.

See: manual 1.3
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from pydantic import Field

from certificates.authority.api import PEM, DetailsOut, build_pem_response
from certificates.models import FutureCertificate
from certificates.servers import rows, selection, table
from console.pages.tables import DEFAULT_SIZE, TableQuery, list_sort_keys, sort_columns
from console.rest.api import (
    Page,
    Paging,
    Text,
    check_sort,
    file_response,
    get_by_guid,
    get_by_number,
    paginate,
    require,
)
from devices.models import Device
from faults import NotFound
from pki.certificates.details import get_details

router = Router(tags=["servers"], auth=require())


class CertificateOut(Schema):
    """The current certificate of a server."""

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
    """The new certificate of a server. `reason` and `action` describe a failure."""

    operation_id: UUID | None
    state: str
    manual_csr: bool
    by_hand: bool = Field(
        validation_alias="manual_csr", description="use `manual_csr`", deprecated=True
    )
    has_csr: bool
    has_certificate: bool
    sha256: str = Field(validation_alias="digest")
    not_after: datetime | None
    reason: str
    action: str
    changed_at: datetime

    @staticmethod
    def resolve_has_csr(future: Any) -> bool:
        """Return True if there is a CSR to download."""
        return bool(future.csr_pem)

    @staticmethod
    def resolve_has_certificate(future: Any) -> bool:
        """Return True if there is a certificate to download."""
        return bool(future.chain_pem)


class ServerOut(Schema):
    """A server with its certificates."""

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
    """Search text, filter, and sort order."""

    q: Text = ""
    state: Text = Field("", description="expiring, expired, failed, csr, or ready")
    sort: Text = Field("", description=("column to sort by; prefix with - for descending order"))


def _serialize_row(row: rows.ServerRow) -> dict[str, Any]:
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


def _list_update_ids() -> list[UUID]:
    return [o.update_id for o in table.list_running_operations() if o.update_id is not None]


@router.get("/servers", response=Page[ServerOut])
def list_servers(request: HttpRequest, paging: Query[Paging], wanted: Query[ServerFilter]) -> Any:
    """List servers and their certificates. Servers that need attention are listed first."""
    now, updates = timezone.now(), _list_update_ids()
    query = TableQuery(wanted.q.strip(), wanted.state, wanted.sort, DEFAULT_SIZE)
    check_sort(query.sort, list_sort_keys(table.COLUMNS))
    _columns, field, descending = sort_columns(table.COLUMNS, query.sort)
    found = table.filter_servers(table.get_servers(now, updates), query, now)
    total = found.count()
    keys = table.sort_servers(found, field, now, descending=descending).values_list("pk", flat=True)
    page = list(keys[paging.offset : paging.offset + paging.limit])
    return {
        "items": [_serialize_row(row) for row in rows.get_rows(page, updates, now)],
        "total": total,
        "limit": paging.limit,
        "offset": paging.offset,
    }


def get_server(server_id: str) -> Device:
    """Return a server that can have a certificate of the zone, by its id."""
    return get_by_guid(Device.objects.certified(), server_id)


def get_future_certificate(device: Device) -> FutureCertificate:
    """Return the pending certificate of a server. Raise NotFound if it has none."""
    found = selection.get_future(device)
    if found is None:
        raise NotFound(_("No new certificate is pending for %(device)s.") % {"device": device.name})
    return found


def get_row(device: Device) -> dict[str, Any]:
    """Return a server as it is now, for a response."""
    return _serialize_row(rows.get_rows([device.pk], _list_update_ids(), timezone.now())[0])


@router.get("/servers/{server_id}", response=ServerOut)
def show_server(request: HttpRequest, server_id: str) -> Any:
    """Get a server and its certificates."""
    return get_row(get_server(server_id))


@router.get("/servers/{server_id}/certificate", openapi_extra=file_response(PEM))
def server_certificate(request: HttpRequest, server_id: str) -> HttpResponse:
    """Download the current certificate and chain of a server in PEM format."""
    device = get_server(server_id)
    return build_pem_response(_get_chain(device), f"{selection.get_file_name(device)}.pem")


@router.get("/servers/{server_id}/certificate/details", response=DetailsOut)
def server_certificate_details(request: HttpRequest, server_id: str) -> Any:
    """Get the certificate details of a server."""
    return get_details(_get_chain(get_server(server_id)))


class PreviousCertificateOut(CertificateOut):
    """A current or previous certificate of a server."""

    id: int
    superseded_at: datetime | None


@router.get("/servers/{server_id}/certificates", response=Page[PreviousCertificateOut])
def list_server_certificates(request: HttpRequest, server_id: str, paging: Query[Paging]) -> Any:
    """List the current and previous certificates of a server, newest first."""
    return paginate(get_server(server_id).certificates.order_by("-active_since", "-pk"), paging)


@router.get("/servers/{server_id}/certificates/{certificate_id}", openapi_extra=file_response(PEM))
def previous_certificate(request: HttpRequest, server_id: str, certificate_id: str) -> HttpResponse:
    """Download a current or previous certificate of a server in PEM format."""
    device = get_server(server_id)
    found = get_by_number(device.certificates.all(), certificate_id)
    return build_pem_response(
        found.chain_pem, f"{selection.get_file_name(device)}-{found.digest[:8]}.pem"
    )


def _get_chain(device: Device) -> str:
    found = selection.get_current(device)
    if found is None:
        raise NotFound(_("%(device)s does not have a certificate yet.") % {"device": device.name})
    return str(found.chain_pem)
