"""REST API for the zone CA and for jobs on its key.

See: manual 1.2.2, 1.2.6 to 1.2.8
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
from certificates.operations.activation_time import NO_PILOT, get_limits
from certificates.pilot.settings import get_pilot_time
from console.access.api_tokens import has_right
from console.pages.tables import as_attachment
from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    file_response,
    get_by_guid,
    paginate,
    require,
)
from devices.models import Device
from faults import Invalid
from pki.certificates.details import get_details

router = Router(tags=["authority"])
PEM = "application/x-pem-file"


class AuthorityOut(Schema):
    """A current, future, or previous zone CA."""

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
    """The details of a certificate. MD5 and SHA-1 are for display only."""

    subject: str
    issuer: str
    serial: str = Field(validation_alias="serial_hex")
    not_before: datetime
    not_after: datetime
    key: str = Field(validation_alias="key_label")
    signature_algorithm: str
    dns_names: list[str]
    addresses: list[str]
    permitted: list[str] = Field(description="permitted names of the name constraints")
    excluded: list[str] = Field(description="excluded names of the name constraints")
    md5: str
    sha1: str
    sha256: str


class GateOut(Schema):
    """An action and the reason why it is not available, "" if it is."""

    name: str
    open: bool
    reason: str


class LimitsOut(Schema):
    """The earliest, latest, and suggested activation time."""

    earliest: datetime
    latest: datetime
    latest_because: str = Field(validation_alias="latest_reason")
    immediate: bool
    suggestion: datetime
    suggestion_text: str
    warnings: list[str]


class LimitsFilter(Schema):
    """The kind of the operation and, for Remint Certificate, its servers."""

    kind: Operation.Kind = Operation.Kind.REMINT_CA
    servers: list[UUID] = Field(default_factory=list, max_length=1000)


@router.get("/authority", response=AuthorityOut)
def show_authority(request: HttpRequest) -> Any:
    """Get the zone CA."""
    return Authority.objects.current()


@router.get("/authorities", response=Page[AuthorityOut])
def list_authorities(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List all current and previous zone CAs, newest first."""
    return paginate(Authority.objects.order_by("-created_at", "pk"), paging)


@router.get("/authorities/{authority_id}", response=AuthorityOut)
def show_authority_by_id(request: HttpRequest, authority_id: str) -> Any:
    """Get a certificate authority."""
    return get_by_guid(Authority.objects.all(), authority_id)


@router.get("/authorities/{authority_id}/certificate", openapi_extra=file_response(PEM))
def download_authority_certificate(request: HttpRequest, authority_id: str) -> HttpResponse:
    """Download the certificate of a CA in PEM format."""
    found = get_by_guid(Authority.objects.all(), authority_id)
    return build_pem_response(found.root_pem, f"{slugify(found.common_name) or 'zone'}-ca.pem")


@router.get("/authorities/{authority_id}/details", response=DetailsOut)
def show_authority_details(request: HttpRequest, authority_id: str) -> Any:
    """Get the certificate details of a CA."""
    return get_details(get_by_guid(Authority.objects.all(), authority_id).root_pem)


@router.get("/gates", response=list[GateOut])
def list_gates(request: HttpRequest) -> Any:
    """List the actions on the zone CA and whether each is available.

    Unavailable actions include the reason.
    """
    authority = Authority.objects.current()
    pending = Operation.objects.blocking().first()
    may = has_right(request, gates.CA_RIGHT)
    return [
        {"name": gate.button, "open": gate.is_open, "reason": str(gate.reason)}
        for gate in gates.build_ca_gates(authority, pending, may=may)
    ]


@router.get("/activation-limits", response=LimitsOut)
def show_activation_limits(request: HttpRequest, wanted: Query[LimitsFilter]) -> Any:
    """Get the earliest, latest, and suggested activation times for an operation."""
    servers = list(Device.objects.certified().filter(pk__in=wanted.servers))
    has_pilot = wanted.kind != Operation.Kind.REMINT_SERVER
    pilot = get_pilot_time() if has_pilot else NO_PILOT
    return get_limits(wanted.kind, servers=servers, now=timezone.now(), pilot=pilot)


def build_pem_response(text: str, name: str, kind: str = PEM) -> HttpResponse:
    """Return a PEM text as a file."""
    return as_attachment(HttpResponse(text, content_type=kind), name)


CAN_CHANGE = require(gates.CA_RIGHT)
CAN_REQUEST = require(gates.CA_RIGHT, reauthenticated=True)
MAX_PASSPHRASE_LENGTH = 1000


class JobOut(Schema):
    """A job on the CA key. If `has_result` is true, a backup can be downloaded for 10 minutes."""

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
        """Return True if there is a file to download."""
        return bool(job.result)


class MoveIn(RequestBody):
    """The new certificate server."""

    server_id: UUID


class BackupIn(RequestBody):
    """The passphrase of the backup."""

    passphrase: SecretStr = Field(max_length=MAX_PASSPHRASE_LENGTH)


class RestoreIn(Schema):
    """The new certificate server and the passphrase of the backup."""

    server_id: UUID
    passphrase: SecretStr = Field(max_length=MAX_PASSPHRASE_LENGTH)


def _request_job(create: Any) -> Any:
    """Create a job and enqueue it on commit."""
    with transaction.atomic():
        job = create()
        transaction.on_commit(partial(tasks.enqueue_key_job, job), robust=True)
    return Status(202, job)


@router.post("/authority/move", response={202: JobOut}, auth=CAN_REQUEST)
def move_ca_role(request: Any, body: MoveIn) -> Any:
    """Move the CA role to another online Primary Server (Move CA Role)."""
    by, now = request.user, timezone.now()
    return _request_job(partial(key_operations.move_role, body.server_id, by=by, now=now))


@router.post("/authority/backup", response={202: JobOut}, auth=CAN_REQUEST)
def backup_ca(request: Any, body: BackupIn) -> Any:
    """Create an encrypted CA backup (Backup CA).

    Download it from the job when the job is complete.
    """
    passphrase = body.passphrase.get_secret_value()
    return _request_job(partial(key_operations.back_up, passphrase, by=request.user))


@router.post("/authority/restore", response={202: JobOut}, auth=CAN_REQUEST)
def restore_ca(request: Any, body: Form[RestoreIn], file: File[UploadedFile]) -> Any:
    """Restore the CA from a backup to a Primary Server (Restore CA)."""
    if (file.size or 0) > key_operations.MAX_BACKUP_SIZE:
        raise Invalid(_("The file is too large for a backup of a CA."), field="file")
    create = partial(
        key_operations.restore,
        file.read(),
        body.passphrase.get_secret_value(),
        body.server_id,
        by=request.user,
        now=timezone.now(),
    )
    return _request_job(create)


def _get_job(request: Any, job_id: str) -> VaultJob:
    """Return a job of this user, or raise NotFound."""
    return get_by_guid(VaultJob.objects.filter(requested_by=request.user).defer("payload"), job_id)


@router.get("/jobs/{job_id}", response=JobOut, auth=CAN_CHANGE)
def show_job(request: HttpRequest, job_id: str) -> Any:
    """Get the status of a job."""
    return _get_job(request, job_id)


@router.post("/jobs/{job_id}/confirm", response=JobOut, auth=CAN_REQUEST)
def approve_job(request: Any, job_id: str) -> Any:
    """Approve a request to move, back up, or restore the CA as the second administrator."""
    job = get_by_guid(VaultJob.objects.defer("payload"), job_id)
    with transaction.atomic():
        approvals.approve_job(job, by=request.user, now=timezone.now())
        transaction.on_commit(partial(tasks.enqueue_key_job, job), robust=True)
    return job


@router.get(
    "/jobs/{job_id}/result", auth=CAN_CHANGE, openapi_extra=file_response("application/zip")
)
def download_job_result(request: HttpRequest, job_id: str) -> HttpResponse:
    """Download the backup created by a job."""
    job = _get_job(request, job_id)
    response = HttpResponse(key_operations.get_result(job), content_type="application/zip")
    return as_attachment(response, key_operations.get_file_name(job))
