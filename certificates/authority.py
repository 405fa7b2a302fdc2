"""Move the CA role, back the CA up, restore it (manual, 1.2.6 to 1.2.8; D-30, D-31).

The console asks, the worker of the server that holds the key does; a passphrase waits sealed to
that server's vault key. A server that does not answer loses the job: it can never be done late.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from certificates import vault
from certificates.machine import AuthorityState, JobState
from certificates.models import Authority, Bridge, Issued, Operation, VaultJob
from certificates.models.job import KEPT, KEPT_FOR_TWO
from certificates.primaries import live_primary
from devices import keyring
from devices.models import Device, Zone
from faults import Conflict, Fault, Invalid, Refused
from ledger.models import Entry
from people.models import Rules
from pki import backup, chains, details, keys, passphrases, sealing

Kind = VaultJob.Kind
BACKUP_AT_MOST = 8 * 1024 * 1024 + 32 * 1024


class OtherCA(Refused):
    """The backup is of another CA than the active one (D-31)."""

    action = "To make that CA the zone's run it as a Change CA, which reaches every device."


@transaction.atomic
def move_role(target: UUID, *, by: User | None, now: datetime) -> VaultJob:
    """Ask for the CA role to move to another Primary Server; nothing is reminted (D-30)."""
    authority = _in_file(free_internal("moved"), "moved")
    server = live_primary(target, field="server", now=now)
    holder = authority.certificate_server
    if holder is None or server == holder:
        raise Invalid(f"{server.name} has the CA role already.", field="server")
    if not server.ca_vault_key:
        raise Invalid(f"{server.name} has no CA vault key yet.", field="server")
    return _ask(Kind.MOVE, holder, authority, by=by, target=server)


@transaction.atomic
def back_up(passphrase: str, *, by: User | None) -> VaultJob:
    """Ask the certificate server for an encrypted backup of the CA (R110 to R114)."""
    authority = _in_file(_internal("backed up"), "backed up")
    passphrases.check_passphrase(passphrase)
    if authority.certificate_server is None:
        raise Refused("The zone has no certificate server.")
    return _ask(Kind.BACKUP, authority.certificate_server, authority, by=by, secret=passphrase)


@transaction.atomic
def restore(
    data: bytes, passphrase: str, target: UUID, *, by: User | None, now: datetime
) -> VaultJob:
    """Ask a Primary Server to take the CA out of a backup and to hold its role (R115 to R121)."""
    authority = free_internal("restored")
    if len(data) > BACKUP_AT_MOST:
        raise Invalid("The file is too large for a backup of a CA.", field="file")
    described = backup.peek_backup(data)
    if described.ca_sha256 != authority.sha256:
        raise OtherCA(
            f"This is a backup of {described.ca_subject}, not of the active CA "
            f"{authority.subject}. Nothing was changed.",
            field="file",
        )
    server = live_primary(target, field="server", now=now)
    return _ask(
        Kind.RESTORE, server, authority, by=by, target=server, secret=passphrase, payload=data
    )


def _internal(done: str) -> Authority:
    authority = Authority.objects.current()
    if not authority.is_internal:
        raise Refused(f"The zone CA is external: it cannot be {done} here.")
    return authority


def check_free() -> None:
    """Refuse to move or restore the CA while an operation is in progress (D-19)."""
    free_internal("moved or restored")


def _in_file(authority: Authority, done: str) -> Authority:
    if authority.has_token_key:
        raise Refused(
            f"{vault.NOT_GIVEN_OUT} The CA cannot be {done} here. Nothing was changed.",
            action="Use the token's own means, or Change CA to another server.",
        )
    return authority


def free_internal(done: str) -> Authority:
    """Return the zone CA where its key is in the zone and nothing is under way."""
    Zone.objects.lock()
    pending = Operation.objects.blocking().first()
    if pending is not None:
        raise Conflict(
            f"{pending.get_kind_display()} is in progress; the CA cannot be {done} meanwhile. "
            "Nothing was changed."
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
        to = server.vault_key
        job.sealed = sealing.seal(secret.encode(), to=to, binding=binding(job.pk, job.kind))
    return ask(job)


def ask(job: VaultJob) -> VaultJob:
    """Let a job wait for its server; one at a time, and the ledger tells of it."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(
            "Another act on the CA key is under way. Nothing was changed.",
            action="Try again in a moment.",
        ) from error
    Entry.objects.record(
        f"ask-{job.kind}",
        f"certificates.Authority:{job.authority_id}",
        note=f"on {job.server.name}" + (f" to {job.target.name}" if job.target else ""),
    )
    return job


def binding(key: UUID, kind: str) -> str:
    """Return what binds a sealed passphrase to its job."""
    return f"vault-job|{key}|{kind}"


def do(job: VaultJob, *, now: datetime) -> None:
    """Do a job on the server it was given to; its secrets are dropped whatever comes of it."""
    acts = {Kind.MOVE: _move, Kind.BACKUP: _back_up, Kind.RESTORE: _restore}
    perform(job, acts[Kind(job.kind)], now=now)


def perform(job: VaultJob, act: Callable[[VaultJob, datetime], Outcome], *, now: datetime) -> None:
    """Let an act make what a job asks for, and store it in the transaction that ends the job."""
    if job.state != JobState.WAITING or job.server_id != keyring.here().server_id:
        return
    if job.is_overdue(now):
        expire(job, now=now)
        return
    try:
        made = act(job, now)
        with transaction.atomic():
            _end(job, JobState.DONE, now, result=made.result)
            made.store()
    except Fault as fault:
        _end(job, JobState.FAILED, now, reason=fault.explanation, action=fault.action)


def _end(job: VaultJob, state: str, now: datetime, **changes: object) -> None:
    VaultJob.objects.move(
        job, state, note=job.kind, ended_at=now, sealed="", payload=b"", **changes
    )


def expire(job: VaultJob, *, now: datetime) -> None:
    """Give up on a server that does not answer; should it wake later, the job is gone (D-30)."""
    _end(
        job,
        JobState.EXPIRED,
        now,
        reason=f"{job.server.name} did not answer. Nothing was changed.",
        action="If it is lost, use Restore CA on another Primary Server.",
    )


class Outcome(Protocol):
    """What an act on the CA key made: a file to fetch, and what to store."""

    @property
    def result(self) -> bytes: ...

    def store(self) -> None: ...


@dataclass(frozen=True)
class Made:
    """What a job made, stored in the transaction that ends it."""

    result: bytes = b""
    sealed_key: str = ""
    authority: Authority | None = None
    server: Device | None = None

    def store(self) -> None:
        """Give the key and the role to their new server; the old one can open nothing any more."""
        if self.authority is None or self.server is None:
            return
        moved = Authority.objects.filter(pk=self.authority.pk, state=AuthorityState.CURRENT)
        before = self.authority.certificate_server
        if not moved.update(sealed_key=self.sealed_key, certificate_server=self.server):
            raise Conflict("The CA is not the active one any more. Nothing was changed.")
        Entry.objects.record(
            "ca-role",
            f"certificates.Authority:{self.authority.pk}",
            here=before.name[:32] if before else "",
            there=self.server.name[:32],
        )


def _move(job: VaultJob, now: datetime) -> Made:
    key_pem = vault.open_key(job.authority)
    return _given(job, key_pem)


def _given(job: VaultJob, key_pem: str) -> Made:
    if job.target is None:
        raise Invalid("The job names no server.")
    sealed = vault.seal(key_pem, authority_id=job.authority_id, server=job.target)
    return Made(sealed_key=sealed, authority=job.authority, server=job.target)


def _passphrase(job: VaultJob) -> str:
    return keyring.here().open(job.sealed, binding=binding(job.pk, job.kind)).decode()


def _back_up(job: VaultJob, now: datetime) -> Made:
    authority, zone = job.authority, Zone.objects.the()
    issued = Issued.objects.filter(authority=authority).order_by("pk")
    lines = [
        json.dumps({"serial": row.serial, "subject": row.subject, "sha256": row.sha256})
        for row in issued.iterator()
    ]
    contents = backup.BackupContents(
        zone=str(zone.guid),
        zone_name=zone.name,
        created=now,
        ca_key_pem=vault.open_key(authority),
        ca_chain_pem=authority.root_pem,
        zone_key=keyring.here().zone_key,
        bridges=list(Bridge.objects.filter(subject=authority).values_list("pem", flat=True)),
        issued_jsonl="\n".join(lines),
        settings_json=json.dumps({"epoch": authority.epoch}),
    )
    return Made(result=backup.write_backup(contents, _passphrase(job), now=now))


def _restore(job: VaultJob, now: datetime) -> Made:
    root, key_pem = opened(job)
    if details.digest(root) != job.authority.sha256:
        raise OtherCA("The backup holds another CA than it says. Nothing was changed.")
    return _given(job, key_pem)


def opened(job: VaultJob) -> tuple[str, str]:
    """Open the backup of a job; returns the root and its key, which belong together."""
    contents = backup.read_backup(bytes(job.payload), _passphrase(job))
    root = chains.split(contents.ca_chain_pem)[-1]
    if not keys.same_key(contents.ca_key_pem, root):
        raise Refused("The key in the backup is not that of the CA. Nothing was changed.")
    return root, contents.ca_key_pem


def take_result(job: VaultJob) -> bytes:
    """Return the backup of a finished job; the row keeps it for some minutes, encrypted."""
    if job.kind != Kind.BACKUP or job.state != JobState.DONE or not job.result:
        raise Conflict("The backup is not there (any more).", action="Back up the CA again.")
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
