"""Move the CA role, back the CA up, restore it (manual, 1.2.6 to 1.2.8; D-30, D-31).

The console asks, the worker of the server that holds the key does; a passphrase waits sealed to
that server's vault key. A server that does not answer loses the job: it can never be done late.

Which Primary Server takes part: one that answers, or the one whose console is used (D-21).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from administrators.models import Rules
from audit.models import Entry
from certificates.authority import key_jobs, key_store
from certificates.models import Authority, Operation, VaultJob
from certificates.models.job import KEPT, KEPT_FOR_TWO
from certificates.operations.states import JobState
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Conflict, Invalid, Refused
from pki.backup import backup, passphrases

Kind = VaultJob.Kind
BACKUP_AT_MOST = 8 * 1024 * 1024 + 32 * 1024


@transaction.atomic
def move_role(target: UUID, *, by: User | None, now: datetime) -> VaultJob:
    """Ask for the CA role to move to another Primary Server; nothing is reminted (D-30)."""
    authority = _in_file(free_internal("moved"), "moved")
    server = live_primary(target, field="server", now=now)
    holder = authority.certificate_server
    if holder is None or server == holder:
        raise Invalid(
            _("%(server)s has the CA role already.") % {"server": server.name}, field="server"
        )
    if not server.ca_vault_key:
        raise Invalid(
            _("%(server)s has no CA vault key yet.") % {"server": server.name}, field="server"
        )
    return _ask(Kind.MOVE, holder, authority, by=by, target=server)


@transaction.atomic
def back_up(passphrase: str, *, by: User | None) -> VaultJob:
    """Ask the certificate server for an encrypted backup of the CA (R110 to R114)."""
    authority = _in_file(_internal("backed up"), "backed up")
    passphrases.check_passphrase(passphrase)
    if authority.certificate_server is None:
        raise Refused(_("The zone has no certificate server."))
    return _ask(Kind.BACKUP, authority.certificate_server, authority, by=by, secret=passphrase)


@transaction.atomic
def restore(
    data: bytes, passphrase: str, target: UUID, *, by: User | None, now: datetime
) -> VaultJob:
    """Ask a Primary Server to take the CA out of a backup and to hold its role (R115 to R121)."""
    authority = free_internal("restored")
    if len(data) > BACKUP_AT_MOST:
        raise Invalid(_("The file is too large for a backup of a CA."), field="file")
    described = backup.peek_backup(data)
    if described.ca_sha256 != authority.sha256:
        raise key_jobs.OtherCA(
            _(
                "This is a backup of %(ca_subject)s, not of the active CA %(subject)s. "
                "Nothing was changed."
            )
            % {"ca_subject": described.ca_subject, "subject": authority.subject},
            field="file",
        )
    server = live_primary(target, field="server", now=now)
    return _ask(
        Kind.RESTORE, server, authority, by=by, target=server, secret=passphrase, payload=data
    )


def _internal(done: str) -> Authority:
    authority = Authority.objects.current()
    if not authority.is_internal:
        raise Refused(_("The zone CA is external: it cannot be %(done)s here.") % {"done": done})
    return authority


def check_free() -> None:
    """Refuse to move or restore the CA while an operation is in progress (D-19)."""
    free_internal("moved or restored")


def _in_file(authority: Authority, done: str) -> Authority:
    if authority.has_token_key:
        raise Refused(
            _("%(not_given_out)s The CA cannot be %(done)s here. Nothing was changed.")
            % {"not_given_out": key_store.NOT_GIVEN_OUT, "done": done},
            action=_("Use the token's own means, or Change CA to another server."),
        )
    return authority


def free_internal(done: str) -> Authority:
    """Return the zone CA where its key is in the zone and nothing is under way."""
    Zone.objects.lock()
    pending = Operation.objects.blocking().first()
    if pending is not None:
        raise Conflict(
            _("%(kind)s is in progress; the CA cannot be %(done)s meanwhile. Nothing was changed.")
            % {"kind": pending.get_kind_display(), "done": done}
        )
    return _internal(done)


def _ask(
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
        state=JobState.PROPOSED if Rules.objects.the().two_administrators else JobState.WAITING,
    )
    if secret:
        job.sealed = key_jobs.seal(secret, to=server, job=job.pk, kind=job.kind)
    return ask(job)


def ask(job: VaultJob) -> VaultJob:
    """Let a job wait for its server; one at a time, and the ledger tells of it."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(
            _("Another act on the CA key is under way. Nothing was changed."),
            action=_("Try again in a moment."),
        ) from error
    Entry.objects.record(
        f"ask-{job.kind}",
        f"certificates.Authority:{job.authority_id}",
        there=job.state,
        note=f"on {job.server.name}" + (f" to {job.target.name}" if job.target else ""),
    )
    return job


def take_result(job: VaultJob) -> bytes:
    """Return the backup of a finished job; the row keeps it for some minutes, encrypted."""
    if job.kind != Kind.BACKUP or job.state != JobState.DONE or not job.result:
        raise Conflict(_("The backup is not there (any more)."), action=_("Back up the CA again."))
    return bytes(job.result)


def forget_results(now: datetime) -> None:
    """Drop backups that were kept long enough to be downloaded."""
    kept = VaultJob.objects.exclude(result=b"")
    kept.filter(ended_at__lt=now - KEPT, confirmed_at=None).update(result=b"")
    kept.filter(ended_at__lt=now - KEPT_FOR_TWO).update(result=b"")


def file_name(job: VaultJob) -> str:
    """Return the name a backup is downloaded under."""
    zone = "".join(c if c.isalnum() or c in "-_" else "-" for c in Zone.objects.the().name)
    return f"zcc-ca-{zone}-{job.created_at:%Y%m%dT%H%M%SZ}.zip"


def live_primary(guid: UUID, *, field: str, now: datetime) -> Device:
    """Return a Primary Server that answers; a satellite or a silent one is refused (D-21)."""
    server = Device.objects.primaries().filter(pk=guid).first()
    if server is None:
        raise Invalid(_("Choose a Primary Server of this zone."), field=field)
    if not server.is_live(now, Zone.objects.the().refresh):
        raise Invalid(
            _("%(server)s has not been heard of lately; it cannot take the CA role.")
            % {"server": server.name},
            field=field,
        )
    return server


def initiating_server() -> Device:
    """Return the Primary Server whose console this is (D-21)."""
    return zone_keys.here().server()
