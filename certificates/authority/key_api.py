"""Move CA Role, Backup CA, Restore CA: a job that the server with the key does (1.2.6 to 1.2.8)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import File, Form, Router, Schema, UploadedFile
from ninja.responses import Status
from pydantic import Field, SecretStr

from certificates import tasks
from certificates.approvals import approvals
from certificates.authority import gates, key_operations
from certificates.models import VaultJob
from console.pages.tables import as_download
from console.rest.api import Order, as_file, by_guid, having
from faults import Invalid

router = Router(tags=["authority"])
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
        approvals.confirm_job(job, by=request.user, now=timezone.now())
        transaction.on_commit(partial(tasks.nudge_job, job), robust=True)
    return job


@router.get("/jobs/{job_id}/result", auth=MAY, openapi_extra=as_file("application/zip"))
def job_result(request: HttpRequest, job_id: str) -> HttpResponse:
    """Return the backup that a job made."""
    job = _job(request, job_id)
    response = HttpResponse(key_operations.take_result(job), content_type="application/zip")
    return as_download(response, key_operations.file_name(job))
