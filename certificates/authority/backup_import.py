"""Change CA to a CA from a backup.

The encrypted backup is stored in a draft, with its passphrase encrypted for one server. The
worker of that server decrypts the backup, checks it, and encrypts the key for its own CA vault
key. Then the wizard continues. Nothing in the zone changes before Finish.

See: docs/decisions.md D-31
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from certificates.authority import key_jobs, key_store
from certificates.authority.key_operations import get_idle_internal_ca, get_online_primary, save_job
from certificates.models import Authority, Draft, VaultJob
from certificates.operations.states import AuthorityState, JobState
from devices.identity import zone_keys
from devices.models import Device
from faults import Conflict, Refused
from pki.backup import backup
from pki.certificates import details

IMPORT = VaultJob.Kind.ADOPT


def create_draft(data: bytes, passphrase: str, target: UUID, *, by: User, now: datetime) -> Draft:
    """Create a draft with the encrypted backup, so that it does not have to be uploaded again."""
    server = get_online_primary(target, field="server", now=now)
    draft = Draft.objects.begin(by, Draft.Kind.CHANGE_CA, now=now, data={})
    sealed = key_jobs.encrypt_passphrase(passphrase, to=server, job=draft.pk, kind=IMPORT)
    file = base64.b64encode(data).decode()
    draft.put(backup={"file": file, "sealed": sealed, "server": str(server.pk)})
    return draft


@transaction.atomic
def create_job(draft: Draft, *, by: User, now: datetime) -> VaultJob:
    """Create the job that decrypts the backup of a draft on the selected server."""
    kept = draft.data.get("backup")
    if not kept:
        raise Conflict(_("The backup has already been used or is no longer available."))
    authority = get_idle_internal_ca(_("changed"))
    data = base64.b64decode(kept["file"])
    check_unknown(data)
    server = get_online_primary(UUID(kept["server"]), field="server", now=now)
    # Replace a job that failed or expired.
    VaultJob.objects.filter(pk=draft.pk).exclude(state=JobState.WAITING).delete()
    return save_job(
        VaultJob(
            guid=draft.pk,
            kind=IMPORT,
            server=server,
            target=server,
            authority=authority,
            requested_by=by,
            payload=data,
            sealed=kept["sealed"],
        )
    )


def check_unknown(data: bytes) -> None:
    """Reject a backup of a CA that the zone still trusts. Use Roll Back instead."""
    digest = backup.read_backup_manifest(data).ca_sha256
    states = (AuthorityState.CURRENT, AuthorityState.GRACE)
    known = Authority.objects.filter(sha256=digest, state__in=states).first()
    if known is not None:
        raise Refused(
            _(
                "This is a backup of %(subject)s, the previous CA, which is "
                "still trusted. Nothing was changed."
            )
            % {"subject": known.subject},
            action=_(
                "To return to this CA, open the operation that replaced it and use Roll Back."
            ),
            field="file",
        )


@dataclass(frozen=True)
class ImportedCA:
    """A CA and its key from a backup, for the draft."""

    draft: UUID
    data: dict[str, str]
    result: bytes = b""

    def store(self) -> None:
        """Store the CA in the draft and delete the backup from it."""
        draft = Draft.objects.filter(pk=self.draft).first()
        if draft is None:
            raise Conflict(_("This dialog has expired. Nothing was changed."))
        draft.put(adopted=self.data, backup=None)


def run(job: VaultJob, *, now: datetime) -> None:
    """Decrypt the backup of a job on the server of the job."""
    key_jobs.run_with(job, _decrypt, now=now)


def _decrypt(job: VaultJob, now: datetime) -> ImportedCA:
    """Decrypt the backup. The returned key is encrypted for this server."""
    root, key_pem, intermediates = key_jobs.open_backup(job)
    here = Device.objects.get(pk=zone_keys.get_keyring().server_id)
    facts = details.get_details(root)
    if not facts.not_before <= now < facts.not_after:
        raise Refused(
            _("The CA certificate %(subject)s is expired or not yet valid. Nothing was changed.")
            % {"subject": facts.subject}
        )
    data = {
        "authority": str(job.pk),
        "server": str(here.pk),
        "root_pem": root,
        "intermediates_pem": intermediates,
        "sealed_key": key_store.seal(key_pem, authority_id=job.pk, server=here),
    }
    return ImportedCA(job.pk, data)
