"""Request jobs that move the CA role, back up the CA, or restore it.

The console creates the job. The worker of the server with the key runs it. If that server does
not respond in time, the job expires.

See: manual 1.2.6 to 1.2.8; D-21, D-30, D-31
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from administrators.models import Policies
from audit.models import Entry
from certificates.authority import key_jobs, key_store
from certificates.models import Authority, Operation, VaultJob
from certificates.models.job import APPROVED_RESULT_KEPT, RESULT_KEPT
from certificates.monitoring import workers
from certificates.operations.activation_time import format_time
from certificates.operations.states import JobState
from console.pages import formatting
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Conflict, Invalid, Refused
from pki.backup import backup, passphrases

Kind = VaultJob.Kind
MAX_BACKUP_SIZE = 8 * 1024 * 1024 + 32 * 1024


@transaction.atomic
def move_role(target: UUID, *, by: User | None, now: datetime) -> VaultJob:
    """Create the job that moves the CA role to another Primary Server (D-30)."""
    authority = _check_exportable(get_idle_internal_ca(_("moved")), _("moved"))
    server = get_online_primary(target, field="server", now=now)
    holder = authority.certificate_server
    if holder is None or server == holder:
        raise Invalid(
            _("%(server)s already has the CA role.") % {"server": server.name}, field="server"
        )
    if not server.ca_vault_key:
        raise Invalid(
            _("%(server)s does not have a CA vault key yet.") % {"server": server.name},
            field="server",
        )
    return _create_job(Kind.MOVE, holder, authority, by=by, target=server)


@transaction.atomic
def back_up(passphrase: str, *, by: User | None) -> VaultJob:
    """Ask the certificate server for an encrypted backup of the CA (R110 to R114)."""
    authority = _check_exportable(_get_internal(_("backed up")), _("backed up"))
    passphrases.check_passphrase(passphrase)
    if authority.certificate_server is None:
        raise Refused(_("The zone does not have a certificate server."))
    return _create_job(
        Kind.BACKUP, authority.certificate_server, authority, by=by, secret=passphrase
    )


@transaction.atomic
def restore(
    data: bytes, passphrase: str, target: UUID, *, by: User | None, now: datetime
) -> VaultJob:
    """Create the job that restores the CA from a backup to a Primary Server."""
    authority = get_idle_internal_ca(_("restored"))
    if len(data) > MAX_BACKUP_SIZE:
        raise Invalid(_("The file is too large for a backup of a CA."), field="file")
    described = backup.read_backup_manifest(data)
    if described.ca_sha256 != authority.sha256:
        raise key_jobs.DifferentCA(
            _(
                "This is a backup of %(ca_subject)s with the SHA-256 fingerprint "
                "%(ca_fingerprint)s…, created on %(created)s. The active CA is %(subject)s with "
                "the fingerprint %(fingerprint)s…. Nothing was changed."
            )
            % {
                "ca_subject": described.ca_subject,
                "ca_fingerprint": _shorten(described.ca_sha256),
                "created": format_time(described.created),
                "subject": authority.subject,
                "fingerprint": _shorten(authority.sha256),
            },
            field="file",
        )
    server = get_online_primary(target, field="server", now=now)
    return _create_job(
        Kind.RESTORE, server, authority, by=by, target=server, secret=passphrase, payload=data
    )


def _shorten(sha256: str) -> str:
    """Return the beginning of a fingerprint, which differs between CAs with the same subject."""
    return formatting.format_fingerprint(sha256[:16])


def get_last_backup_time() -> datetime | None:
    """Return when the last backup of the active CA was created; None if there is none."""
    jobs = VaultJob.objects.backups(Authority.objects.current())
    return jobs.order_by("-ended_at").values_list("ended_at", flat=True).first()


def _get_internal(done: str) -> Authority:
    authority = Authority.objects.current()
    if not authority.is_internal:
        raise Refused(
            _("The zone CA is external and cannot be %(done)s from this console.") % {"done": done}
        )
    return authority


def check_no_operation() -> None:
    """Raise Conflict if an operation is in progress (D-19)."""
    get_idle_internal_ca(_("moved or restored"))


def _check_exportable(authority: Authority, done: str) -> Authority:
    if authority.has_token_key:
        raise Refused(
            _("%(reason)s The CA cannot be %(done)s from this console. Nothing was changed.")
            % {"reason": key_store.NOT_EXPORTABLE, "done": done},
            action=_(
                "Use the tools of the PKCS #11 token, or use Change CA to "
                "change to a CA on another server."
            ),
        )
    return authority


def get_idle_internal_ca(done: str) -> Authority:
    """Return the internal zone CA, or raise a fault if it is external or an operation runs."""
    Zone.objects.lock()
    pending = Operation.objects.blocking().first()
    if pending is not None:
        raise Conflict(
            _("The CA cannot be %(done)s while %(kind)s is in progress. Nothing was changed.")
            % {"kind": pending.get_kind_display(), "done": done}
        )
    return _get_internal(done)


def _create_job(
    kind: str,
    server: Device,
    authority: Authority,
    *,
    by: User | None,
    target: Device | None = None,
    secret: str = "",
    payload: bytes = b"",
) -> VaultJob:
    job = VaultJob(
        kind=kind,
        server=server,
        target=target,
        authority=authority,
        requested_by=by,
        payload=payload,
        state=JobState.PROPOSED
        if Policies.objects.get_current().two_administrators
        else JobState.WAITING,
    )
    if secret:
        job.sealed = key_jobs.encrypt_passphrase(secret, to=server, job=job.pk, kind=job.kind)
    return save_job(job)


def save_job(job: VaultJob) -> VaultJob:
    """Save a job and record it in the audit log. Raise Conflict if another job is pending."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(
            _("Another CA key operation is in progress. Nothing was changed."),
            action=_("Wait a moment, then try again."),
        ) from error
    Entry.objects.record(
        f"ask-{job.kind}",
        f"certificates.Authority:{job.authority_id}",
        about=[f"certificates.VaultJob:{job.pk}"],
        there=job.state,
        note=f"on {job.server.name}" + (f" to {job.target.name}" if job.target else ""),
    )
    return job


def get_result(job: VaultJob) -> bytes:
    """Return the encrypted backup of a job, or raise Conflict if it is no longer available."""
    if job.kind != Kind.BACKUP or job.state != JobState.DONE or not job.result:
        raise Conflict(
            _("The backup does not exist or is no longer available."),
            action=_("Back up the CA again."),
        )
    return bytes(job.result)


def delete_expired_results(now: datetime) -> None:
    """Delete backups whose download period has ended."""
    list_expired_results(now).update(result=b"")


def list_expired_results(now: datetime) -> QuerySet[VaultJob]:
    """Return the backups whose download period has ended."""
    is_over = Q(ended_at__lt=now - RESULT_KEPT, approved_at=None)
    is_over |= Q(ended_at__lt=now - APPROVED_RESULT_KEPT)
    return VaultJob.objects.exclude(result=b"").filter(is_over)


def get_file_name(job: VaultJob) -> str:
    """Return the file name of a backup."""
    zone = "".join(c if c.isalnum() or c in "-_" else "-" for c in Zone.objects.get_zone().name)
    return f"zcc-ca-{zone}-{job.created_at:%Y%m%dT%H%M%SZ}.zip"


def get_online_primary(guid: UUID, *, field: str, now: datetime) -> Device:
    """Return a Primary Server whose worker responds, or raise Invalid (D-21)."""
    server = Device.objects.primaries().filter(pk=guid).first()
    if server is None:
        raise Invalid(_("Select a Primary Server in this zone."), field=field)
    if not workers.is_available(server, now):
        raise Invalid(
            _("%(server)s cannot take the CA role because its worker does not respond.")
            % {"server": server.name},
            field=field,
            action=_("Start the worker of that server, or select another Primary Server."),
        )
    return server


def get_initiating_server() -> Device:
    """Return the Primary Server of this console (D-21)."""
    return zone_keys.get_keyring().get_server()
