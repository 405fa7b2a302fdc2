"""The zone CA: what it is, its certificate, and which acts on it are possible now.

Move CA Role, Backup CA, Restore CA: a job that the server with the key does (1.2.6 to 1.2.8).
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from ninja import File, Form, Query, Router, Schema, UploadedFile
from ninja.responses import Status
from pydantic import Field, SecretStr

from certificates import tasks
from certificates.approvals import approvals
from certificates.authority import gates, key_operations
from certificates.models import Authority, Operation, VaultJob
from certificates.operations.activation_time import limits
from console.access.api_tokens import allowed
from console.pages.tables import as_download
from console.rest.api import Order, Page, Paging, as_file, by_guid, having, page
from devices.models import Device
from faults import Invalid
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


MAY = having(gates.CA_RIGHT)
MAY_ASK = having(gates.CA_RIGHT, proved=True)
PASSPHRASE_AT_MOST = 1000


class JobOut(Schema):
    """A job on the CA key. `has_result` tells that a backup can be fetched, for ten minutes."""

    id: UUID = Field(validation_alias="guid")
    kind: str
    state: str
    server_id: UUID
    target_id: UUID | None
    reason: str
    action: str
    created_at: datetime
    ended_at: datetime | None
    has_result: bool = False

    @staticmethod
    def resolve_has_result(job: Any) -> bool:
        """Tell whether there is a file to fetch."""
        return bool(job.result)


class MoveOrder(Order):
    """Where the CA role shall go."""

    server_id: UUID


class BackupOrder(Order):
    """What the backup is encrypted under."""

    passphrase: SecretStr = Field(max_length=PASSPHRASE_AT_MOST)


class RestoreOrder(Schema):
    """Which server takes the CA, and what its backup is encrypted under."""

    server_id: UUID
    passphrase: SecretStr = Field(max_length=PASSPHRASE_AT_MOST)


def _asked(ask: Any) -> Any:
    """Ask for a job and ring for it once it stands."""
    with transaction.atomic():
        job = ask()
        transaction.on_commit(partial(tasks.nudge_job, job), robust=True)
    return Status(202, job)


@router.post("/authority/move", response={202: JobOut}, auth=MAY_ASK)
def move_ca_role(request: Any, order: MoveOrder) -> Any:
    """Move CA Role: hand the CA key to another Primary Server that answers."""
    ask = key_operations.move_role
    return _asked(partial(ask, order.server_id, by=request.user, now=timezone.now()))


@router.post("/authority/backup", response={202: JobOut}, auth=MAY_ASK)
def backup_ca(request: Any, order: BackupOrder) -> Any:
    """Backup CA: ask for an encrypted backup; fetch it from the job when that is done."""
    passphrase = order.passphrase.get_secret_value()
    return _asked(partial(key_operations.back_up, passphrase, by=request.user))


@router.post("/authority/restore", response={202: JobOut}, auth=MAY_ASK)
def restore_ca(request: Any, order: Form[RestoreOrder], file: File[UploadedFile]) -> Any:
    """Restore CA: let a Primary Server take the CA from a backup."""
    if (file.size or 0) > key_operations.BACKUP_AT_MOST:
        raise Invalid(_("The file is too large for a backup of a CA."), field="file")
    ask = partial(
        key_operations.restore,
        file.read(),
        order.passphrase.get_secret_value(),
        order.server_id,
        by=request.user,
        now=timezone.now(),
    )
    return _asked(ask)


def _job(request: Any, job_id: str) -> VaultJob:
    """Return a job of this user; that of another one is as good as none."""
    return by_guid(VaultJob.objects.filter(requested_by=request.user).defer("payload"), job_id)


@router.get("/jobs/{job_id}", response=JobOut, auth=MAY)
def show_job(request: HttpRequest, job_id: str) -> Any:
    """Show how a job stands."""
    return _job(request, job_id)


@router.post("/jobs/{job_id}/confirm", response=JobOut, auth=MAY_ASK)
def confirm_job(request: Any, job_id: str) -> Any:
    """Confirm a move, backup or restore of the CA, as the second of two administrators."""
    job = by_guid(VaultJob.objects.defer("payload"), job_id)
    with transaction.atomic():
        approvals.approve_job(job, by=request.user, now=timezone.now())
        transaction.on_commit(partial(tasks.nudge_job, job), robust=True)
    return job


@router.get("/jobs/{job_id}/result", auth=MAY, openapi_extra=as_file("application/zip"))
def job_result(request: HttpRequest, job_id: str) -> HttpResponse:
    """Return the backup that a job made."""
    job = _job(request, job_id)
    response = HttpResponse(key_operations.take_result(job), content_type="application/zip")
    return as_download(response, key_operations.file_name(job))
