"""The jobs on the CA key, as run by the worker of the certificate server.

Passphrases are encrypted for the vault key of that server. The outcome of a job is stored in the
transaction that completes it.

See: manual 1.2.6 to 1.2.8; D-30, D-31
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from certificates.authority import key_store
from certificates.models import (
    AcmeCertificate,
    Authority,
    CrossCertificate,
    IssuedCertificate,
    ServerCertificate,
    VaultJob,
)
from certificates.operations.states import AuthorityState, JobState
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Conflict, Fault, Invalid, Refused
from pki import keys
from pki.backup import archive, backup
from pki.certificates import details
from pki.chains import chains
from pki.protection import sealing

Kind = VaultJob.Kind


class DifferentCA(Refused):
    """The backup is not of the active CA (D-31)."""

    action = gettext_lazy(
        "To use that CA for this zone, use Change CA so that every device receives the change."
    )


def _build_binding(job: UUID, kind: str) -> str:
    return f"vault-job|{job}|{kind}"


def encrypt_passphrase(passphrase: str, *, to: Device, job: UUID, kind: str) -> str:
    """Encrypt a passphrase for one server and one job. Raises RowAltered."""
    recorded = Device.objects.get(pk=to.pk).check_row_mac()
    return sealing.seal(
        passphrase.encode(), to=recorded.vault_key, binding=_build_binding(job, kind)
    )


def run(job: VaultJob, *, now: datetime) -> None:
    """Run a job on its server. Its secrets are deleted whether it succeeds or fails."""
    actions = {Kind.MOVE: _move, Kind.BACKUP: _back_up, Kind.RESTORE: _restore}
    run_with(job, actions[Kind(job.kind)], now=now)


def run_with(
    job: VaultJob, action: Callable[[VaultJob, datetime], Outcome], *, now: datetime
) -> None:
    """Run the action of a job, and store its outcome in the transaction that completes the job."""
    if job.state != JobState.WAITING or job.server_id != zone_keys.get_keyring().server_id:
        return
    if job.is_overdue(now):
        expire(job, now=now)
        return
    try:
        outcome = action(job, now)
        with transaction.atomic():
            _finish(job, JobState.DONE, now, result=outcome.result)
            outcome.store()
    except Fault as fault:
        _finish(job, JobState.FAILED, now, reason=fault.explanation, action=fault.action)


def _finish(job: VaultJob, state: str, now: datetime, **changes: object) -> None:
    VaultJob.objects.transition(
        job, state, note=job.kind, ended_at=now, sealed="", payload=b"", **changes
    )


def expire(job: VaultJob, *, now: datetime) -> None:
    """Expire a job whose server does not respond, so that it cannot run later (D-30)."""
    _finish(
        job,
        JobState.EXPIRED,
        now,
        reason=_("%s did not respond. Nothing was changed.") % job.server.name,
        action=_(
            "If the server is lost, use Restore CA to restore the CA to another Primary Server."
        ),
    )


class Outcome(Protocol):
    """The outcome of a job: a file to download, and changes to store."""

    @property
    def result(self) -> bytes: ...

    def store(self) -> None: ...


@dataclass(frozen=True)
class KeyChange:
    """A new location of the CA key, or the result of a backup."""

    result: bytes = b""
    sealed_key: str = ""
    authority: Authority | None = None
    server: Device | None = None

    def store(self) -> None:
        """Assign the CA key and the CA role to the new server, if there is one."""
        if self.authority is None or self.server is None:
            return
        moved = Authority.objects.filter(pk=self.authority.pk, state=AuthorityState.CURRENT)
        before = self.authority.certificate_server
        if not moved.update(sealed_key=self.sealed_key, certificate_server=self.server):
            raise Conflict(_("This CA is no longer the active CA. Nothing was changed."))
        Entry.objects.record(
            "ca-role",
            f"certificates.Authority:{self.authority.pk}",
            here=before.name[:32] if before else "",
            there=self.server.name[:32],
            about=[f"devices.Device:{one.pk}" for one in (before, self.server) if one],
        )


def _move(job: VaultJob, now: datetime) -> KeyChange:
    key_pem = key_store.open_key(job.authority)
    return _assign_key(job, key_pem)


def _assign_key(job: VaultJob, key_pem: str) -> KeyChange:
    if job.target is None:
        raise Invalid(_("The job does not specify a server."))
    sealed = key_store.seal(key_pem, authority_id=job.authority_id, server=job.target)
    return KeyChange(sealed_key=sealed, authority=job.authority, server=job.target)


def _decrypt_passphrase(job: VaultJob) -> str:
    return (
        zone_keys.get_keyring()
        .decrypt(job.sealed, binding=_build_binding(job.pk, job.kind))
        .decode()
    )


def _back_up(job: VaultJob, now: datetime) -> KeyChange:
    authority, zone = job.authority, Zone.objects.get_zone()
    contents = backup.BackupContents(
        zone=str(zone.guid),
        zone_name=zone.name,
        created=now,
        ca_key_pem=key_store.open_key(authority),
        # The root is the last one. Before it is the chain of a subordinate CA.
        ca_chain_pem=authority.intermediates_pem + authority.root_pem,
        zone_key=zone_keys.get_keyring().zone_key,
        second_key=zone_keys.get_keyring().second_key,
        cross_certificates=list(
            CrossCertificate.objects.filter(subject=authority).values_list("pem", flat=True)
        ),
        issued_jsonl=_serialize_issued(authority, now),
        settings_json=json.dumps({"epoch": authority.epoch}),
    )
    return KeyChange(result=backup.write_backup(contents, _decrypt_passphrase(job), now=now))


def _serialize_issued(authority: Authority, now: datetime) -> str:
    """Return the newest certificates of a CA that have not expired, oldest first, one a line.

    A backup contains as many as its limit permits. Nothing needs the list to restore the CA.
    """
    lines: list[str] = []
    left = archive.MAX_ISSUED
    rows = _list_issued(authority, now).order_by("-pk").values("serial", "subject", "sha256")
    # More rows would exceed the limit: a line has about 150 bytes.
    for row in rows[: archive.MAX_ISSUED // 100].iterator(chunk_size=1000):
        line = json.dumps(row)
        left -= len(line) + 1
        if left < 0:
            break
        lines.append(line)
    return "\n".join(reversed(lines))


def _list_issued(authority: Authority, now: datetime) -> QuerySet[IssuedCertificate]:
    """Return the certificates of a CA that are not known to have expired."""
    rows = IssuedCertificate.objects.filter(authority=authority)
    for model in (ServerCertificate, AcmeCertificate):
        stored: QuerySet[Any] = model.objects.filter(digest=OuterRef("sha256"))
        rows = rows.filter(~Exists(stored.filter(not_after__lte=now)))
    return rows


def _restore(job: VaultJob, now: datetime) -> KeyChange:
    root, key_pem, _chain = open_backup(job)
    if details.get_digest(root) != job.authority.sha256:
        raise DifferentCA(
            _(
                "The CA certificate in the backup does not match the "
                "backup's description. Nothing was changed."
            )
        )
    return _assign_key(job, key_pem)


def open_backup(job: VaultJob) -> tuple[str, str, str]:
    """Decrypt the backup of a job and return the root, its key, and the chain of a subordinate CA.

    The chain of another CA is "".
    """
    contents = backup.read_backup(bytes(job.payload), _decrypt_passphrase(job))
    *intermediates, root = chains.split(contents.ca_chain_pem)
    if not keys.is_same_key(contents.ca_key_pem, root):
        raise Refused(
            _(
                "The private key in the backup does not match the CA "
                "certificate. Nothing was changed."
            )
        )
    return root, contents.ca_key_pem, chains.join(*intermediates)
