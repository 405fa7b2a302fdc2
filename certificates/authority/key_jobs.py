"""What the worker of a server does with the CA key it holds (manual, 1.2.6 to 1.2.8; D-30, D-31).

A passphrase waits sealed to that server's vault key; what an act made is stored in the transaction
that ends its job.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from certificates.authority import key_store
from certificates.models import Authority, Bridge, Issued, VaultJob
from certificates.operations.states import AuthorityState, JobState
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Conflict, Fault, Invalid, Refused
from pki import keys
from pki.backup import backup
from pki.certificates import details
from pki.chains import chains
from pki.protection import sealing

Kind = VaultJob.Kind


class OtherCA(Refused):
    """The backup is of another CA than the active one (D-31)."""

    action = gettext_lazy(
        "To make that CA the zone's run it as a Change CA, which reaches every device."
    )


def _binding(job: UUID, kind: str) -> str:
    return f"vault-job|{job}|{kind}"


def seal(passphrase: str, *, to: Device, job: UUID, kind: str) -> str:
    """Seal a passphrase so that one server alone opens it, for one job alone."""
    return sealing.seal(passphrase.encode(), to=to.vault_key, binding=_binding(job, kind))


def do(job: VaultJob, *, now: datetime) -> None:
    """Do a job on the server it was given to; its secrets are dropped whatever comes of it."""
    acts = {Kind.MOVE: _move, Kind.BACKUP: _back_up, Kind.RESTORE: _restore}
    perform(job, acts[Kind(job.kind)], now=now)


def perform(job: VaultJob, act: Callable[[VaultJob, datetime], Outcome], *, now: datetime) -> None:
    """Let an act make what a job asks for, and store it in the transaction that ends the job."""
    if job.state != JobState.WAITING or job.server_id != zone_keys.here().server_id:
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
        reason=_("%s did not answer. Nothing was changed.") % job.server.name,
        action=_("If it is lost, use Restore CA on another Primary Server."),
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
            raise Conflict(_("The CA is not the active one any more. Nothing was changed."))
        Entry.objects.record(
            "ca-role",
            f"certificates.Authority:{self.authority.pk}",
            here=before.name[:32] if before else "",
            there=self.server.name[:32],
        )


def _move(job: VaultJob, now: datetime) -> Made:
    key_pem = key_store.open_key(job.authority)
    return _given(job, key_pem)


def _given(job: VaultJob, key_pem: str) -> Made:
    if job.target is None:
        raise Invalid(_("The job names no server."))
    sealed = key_store.seal(key_pem, authority_id=job.authority_id, server=job.target)
    return Made(sealed_key=sealed, authority=job.authority, server=job.target)


def _passphrase(job: VaultJob) -> str:
    return zone_keys.here().open(job.sealed, binding=_binding(job.pk, job.kind)).decode()


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
        ca_key_pem=key_store.open_key(authority),
        ca_chain_pem=authority.root_pem,
        zone_key=zone_keys.here().zone_key,
        bridges=list(Bridge.objects.filter(subject=authority).values_list("pem", flat=True)),
        issued_jsonl="\n".join(lines),
        settings_json=json.dumps({"epoch": authority.epoch}),
    )
    return Made(result=backup.write_backup(contents, _passphrase(job), now=now))


def _restore(job: VaultJob, now: datetime) -> Made:
    root, key_pem = opened(job)
    if details.digest(root) != job.authority.sha256:
        raise OtherCA(_("The backup holds another CA than it says. Nothing was changed."))
    return _given(job, key_pem)


def opened(job: VaultJob) -> tuple[str, str]:
    """Open the backup of a job; returns the root and its key, which belong together."""
    contents = backup.read_backup(bytes(job.payload), _passphrase(job))
    root = chains.split(contents.ca_chain_pem)[-1]
    if not keys.same_key(contents.ca_key_pem, root):
        raise Refused(_("The key in the backup is not that of the CA. Nothing was changed."))
    return root, contents.ca_key_pem
