"""Certification requests of servers, and the certificates that an external CA made of them."""

from __future__ import annotations

from functools import partial
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
from certificates.authority.api import PEM, pem
from certificates.issuance import imports, requests
from certificates.models import FutureCertificate
from certificates.operations.api.creation import CertificateText, SubjectIn, file_of
from certificates.servers.api import ServerOut, coming, file_name, find, row
from console.pages.tables import as_download
from console.rest.api import Order, Text, as_file, having
from faults import Invalid, NotFound
from pki.keys import DEFAULT_KEY_LENGTH

router = Router(tags=["servers"])
MAY = having(gates.CA_RIGHT)
PKCS10 = "application/pkcs10"
SERVERS_AT_MOST = 1000
FILES_AT_MOST = 200


class CertificateIn(Order):
    """A certificate with its chain."""

    certificate: CertificateText


class ImportedManyOut(Schema):
    """What became of several files: the servers that have their certificate, and what does not."""

    done: list[str]
    warnings: list[str]
    refused: dict[str, str] = Field(description="why a file was not used, by its name")


class ImportedOut(Schema):
    """The server after an import, and what to know about its new certificate."""

    server: ServerOut
    warnings: list[str]


class RequestOrder(Order):
    """What servers shall ask for in their CSRs."""

    server_ids: list[UUID] = Field(min_length=1, max_length=SERVERS_AT_MOST)
    key_length: int = DEFAULT_KEY_LENGTH
    common_name: Text = ""
    subject: SubjectIn = Field(default_factory=SubjectIn)


class Selection(Schema):
    """Which servers."""

    server_ids: list[UUID] = Field(min_length=1, max_length=SERVERS_AT_MOST)


@router.get("/servers/{server_id}/csr", openapi_extra=as_file(PKCS10))
def server_csr(request: HttpRequest, server_id: str) -> HttpResponse:
    """Return the certification request of a server as PEM."""
    name, data = requests.csr_file(coming(find(server_id)))
    return pem(data.decode(), name, PKCS10)


@router.get("/csrs", openapi_extra=as_file("application/zip"))
def server_csrs(request: HttpRequest, wanted: Query[Selection]) -> HttpResponse:
    """Return the certification requests of several servers as a zip file."""
    data = requests.csr_zip(_several(wanted.server_ids))
    response = HttpResponse(data, content_type="application/zip")
    return as_download(response, f"csrs_{timezone.now():%Y-%m-%d}.zip")


@router.post("/csrs", response=list[ServerOut], auth=MAY)
def generate_csrs(request: HttpRequest, order: RequestOrder) -> Any:
    """Generate CSR: let servers make a fresh key and request."""
    futures = _several(order.server_ids)
    with transaction.atomic():
        requests.generate(
            futures,
            key_length=order.key_length,
            subject=order.subject.fields(),
            common_name=order.common_name.strip(),
        )
        transaction.on_commit(tasks.wake_all, robust=True)
    return [row(future.device) for future in futures]


def _several(server_ids: list[UUID]) -> list[FutureCertificate]:
    """Return the future certificates of some servers; each of them must have one."""
    rows = FutureCertificate.objects.open().filter(device__in=server_ids).foremost()
    rows = rows.select_related("device", "authority", "operation").order_by("device__name")
    if {future.device_id for future in rows} != set(server_ids):
        raise NotFound(_("One of the servers waits for no new certificate."))
    return list(rows)


@router.get("/servers/{server_id}/future-certificate", openapi_extra=as_file(PEM))
def future_certificate(request: HttpRequest, server_id: str) -> HttpResponse:
    """Return the certificate that a server will show, with its chain, as PEM."""
    device = find(server_id)
    found = coming(device)
    if not found.chain_pem:
        raise NotFound(_("%(device)s has no new certificate yet.") % {"device": device.name})
    return pem(found.chain_pem, f"{file_name(device)}-new.pem")


@router.post("/servers/{server_id}/try-again", response=ServerOut, auth=MAY)
def try_server_again(request: HttpRequest, server_id: str) -> Any:
    """Let a server ask anew for the certificate that it could not get."""
    device = find(server_id)
    with transaction.atomic():
        requests.try_again(coming(device))
        transaction.on_commit(tasks.wake_all, robust=True)
    return row(device)


@router.put("/servers/{server_id}/future-certificate", response=ImportedOut, auth=MAY)
def import_certificate(request: HttpRequest, server_id: str, order: CertificateIn) -> Any:
    """Import Certificate: what an external CA made of a server's CSR."""
    return _import(server_id, file_of(order.certificate, "certificate"))


@router.post("/servers/{server_id}/future-certificate", response=ImportedOut, auth=MAY)
def upload_certificate(request: HttpRequest, server_id: str, file: File[UploadedFile]) -> Any:
    """Import Certificate from a file."""
    if (file.size or 0) > imports.FILE_AT_MOST:
        raise Invalid(_("The file is larger than 256 KiB. Nothing was imported."), field="file")
    return _import(server_id, file.read())


@transaction.atomic
def _import(server_id: str, data: bytes) -> Any:
    device = find(server_id)
    future = coming(device)
    warnings = imports.import_one(future, data, now=timezone.now())
    _nudge([future])
    return {"server": row(device), "warnings": warnings}


def _nudge(futures: list[FutureCertificate]) -> None:
    for key in {future.operation_id for future in futures if future.operation_id}:
        transaction.on_commit(partial(tasks.nudge, str(key)), robust=True)


@router.post("/certificates", response=ImportedManyOut, auth=MAY)
def upload_certificates(request: HttpRequest, file: File[list[UploadedFile]]) -> Any:
    """Import Certificate from several files or zips: each is matched to its server by its key."""
    if len(file) > FILES_AT_MOST:
        raise Invalid(_("At most %(most)s files at once.") % {"most": FILES_AT_MOST}, field="file")
    waiting = FutureCertificate.objects.open().exclude(csr_pem="")
    futures = list(waiting.select_related("device", "authority", "operation"))
    files = [(one.name or "", one.read(imports.ZIP_AT_MOST + 1)) for one in file]
    result = imports.import_many(futures, files, now=timezone.now())
    _nudge(futures if result.done else [])
    return result
