"""REST API for CSRs of servers and for certificates issued by an external CA."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import File, Query, Router, Schema, UploadedFile
from pydantic import Field

from certificates import tasks
from certificates.authority import gates
from certificates.authority.api import PEM, build_pem_response
from certificates.issuance import imports, requests
from certificates.models import FutureCertificate
from certificates.operations.api.creation import CertificateText, SubjectIn, decode_file
from certificates.servers import selection
from certificates.servers.api import (
    ServerOut,
    get_future_certificate,
    get_row,
    get_server,
)
from console.pages.tables import as_attachment
from console.rest.api import RequestBody, Text, file_response, require
from faults import Invalid, NotFound
from pki.keys import DEFAULT_KEY_LENGTH

router = Router(tags=["servers"])
CA_RIGHT_REQUIRED = require(gates.CA_RIGHT)
PKCS10 = "application/pkcs10"
MAX_SERVERS = 1000
MAX_FILES = 200


class CertificateIn(RequestBody):
    """A certificate with its chain."""

    certificate: CertificateText


class ImportedManyOut(Schema):
    """Result of an import: servers with a new certificate, and files that were not imported."""

    done: list[str]
    warnings: list[str]
    refused: dict[str, str] = Field(description=("reason each file was not imported, by file name"))


class ImportedOut(Schema):
    """The server after an import, with warnings about its new certificate."""

    server: ServerOut
    warnings: list[str]


class CsrRequestIn(RequestBody):
    """Servers that generate a CSR, and the contents of the CSRs."""

    server_ids: list[UUID] = Field(min_length=1, max_length=MAX_SERVERS)
    key_length: int = DEFAULT_KEY_LENGTH
    common_name: Text = ""
    subject: SubjectIn = Field(default_factory=SubjectIn)


class ServerSelection(Schema):
    """A list of servers."""

    server_ids: list[UUID] = Field(min_length=1, max_length=MAX_SERVERS)


@router.get("/servers/{server_id}/csr", openapi_extra=file_response(PKCS10))
def server_csr(request: HttpRequest, server_id: str) -> HttpResponse:
    """Download the CSR of a server in PEM format."""
    name, data = requests.get_csr_file(get_future_certificate(get_server(server_id)))
    return build_pem_response(data.decode(), name, PKCS10)


@router.get("/csrs", openapi_extra=file_response("application/zip"))
def server_csrs(request: HttpRequest, wanted: Query[ServerSelection]) -> HttpResponse:
    """Download the CSRs of several servers as a zip file."""
    data = requests.build_csr_zip(_get_futures(wanted.server_ids))
    response = HttpResponse(data, content_type="application/zip")
    return as_attachment(response, f"csrs_{timezone.now():%Y-%m-%d}.zip")


@router.post("/csrs", response=list[ServerOut], auth=CA_RIGHT_REQUIRED)
def generate_csrs(request: HttpRequest, data: CsrRequestIn) -> Any:
    """Generate new keys and CSRs on one or more servers (Generate CSR)."""
    futures = _get_futures(data.server_ids)
    with transaction.atomic():
        requests.request_csrs(
            futures,
            key_length=data.key_length,
            subject=data.subject.fields(),
            common_name=data.common_name.strip(),
        )
        transaction.on_commit(tasks.notify_agents, robust=True)
    return [get_row(future.device) for future in futures]


def _get_futures(server_ids: list[UUID]) -> list[FutureCertificate]:
    """Return the pending certificates of servers. Raise NotFound if a server has none."""
    rows = FutureCertificate.objects.open().filter(device__in=server_ids).one_per_device()
    rows = rows.select_related("device", "authority", "operation").order_by("device__name")
    if {future.device_id for future in rows} != set(server_ids):
        raise NotFound(_("One of the servers is not waiting for a new certificate."))
    return list(rows)


@router.get("/servers/{server_id}/future-certificate", openapi_extra=file_response(PEM))
def future_certificate(request: HttpRequest, server_id: str) -> HttpResponse:
    """Download the new certificate and chain of a server in PEM format."""
    device = get_server(server_id)
    found = get_future_certificate(device)
    if not found.chain_pem:
        raise NotFound(
            _("%(device)s does not have a new certificate yet.") % {"device": device.name}
        )
    return build_pem_response(found.chain_pem, f"{selection.get_file_name(device)}-new.pem")


@router.post("/servers/{server_id}/try-again", response=ServerOut, auth=CA_RIGHT_REQUIRED)
def try_server_again(request: HttpRequest, server_id: str) -> Any:
    """Retry a failed certificate request for a server."""
    device = get_server(server_id)
    with transaction.atomic():
        requests.retry(get_future_certificate(device))
        transaction.on_commit(tasks.notify_agents, robust=True)
    return get_row(device)


@router.put("/servers/{server_id}/future-certificate", response=ImportedOut, auth=CA_RIGHT_REQUIRED)
def import_certificate(request: HttpRequest, server_id: str, data: CertificateIn) -> Any:
    """Import a certificate issued by an external CA (Import Certificate)."""
    return _import(server_id, decode_file(data.certificate, "certificate"))


@router.post(
    "/servers/{server_id}/future-certificate", response=ImportedOut, auth=CA_RIGHT_REQUIRED
)
def upload_certificate(request: HttpRequest, server_id: str, file: File[UploadedFile]) -> Any:
    """Import a certificate from a file."""
    if (file.size or 0) > imports.MAX_FILE_SIZE:
        raise Invalid(_("The file exceeds the 256 KiB limit. Nothing was imported."), field="file")
    return _import(server_id, file.read())


@transaction.atomic
def _import(server_id: str, data: bytes) -> Any:
    device = get_server(server_id)
    future = get_future_certificate(device)
    warnings = imports.import_file(future, data, now=timezone.now())
    tasks.enqueue_steps_on_commit([future])
    return {"server": get_row(device), "warnings": warnings}


@router.post("/certificates", response=ImportedManyOut, auth=CA_RIGHT_REQUIRED)
def upload_certificates(request: HttpRequest, file: File[list[UploadedFile]]) -> Any:
    """Import certificates from several files or zip files.

    Each certificate is matched to its server by its key.
    """
    if len(file) > MAX_FILES:
        raise Invalid(
            _("You can upload up to %(most)s files at a time.") % {"most": MAX_FILES},
            field="file",
        )
    pending = FutureCertificate.objects.open().exclude(csr_pem="")
    futures = list(pending.select_related("device", "authority", "operation"))
    files = [(one.name or "", one.read(imports.MAX_ZIP_SIZE + 1)) for one in file]
    result = imports.import_files(futures, files, now=timezone.now())
    tasks.enqueue_steps_on_commit(futures if result.done else [])
    return result
