"""Take the CA of another backup as the zone's next one: opened first, then a Change CA (D-31).

The backup waits in a draft, still encrypted, its passphrase sealed to the server that is to open
it. That server's worker checks it and seals the key to its own CA vault key; only then can the
wizard go on. Until its Finish nothing of the zone has changed.
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
from certificates.authority.key_operations import ask, free_internal, live_primary
from certificates.models import Authority, Draft, VaultJob
from certificates.operations.states import AuthorityState, JobState
from devices.identity import zone_keys
from devices.models import Device
from faults import Conflict, Refused
from pki.backup import backup
from pki.certificates import details

ADOPT = VaultJob.Kind.ADOPT


def keep(data: bytes, passphrase: str, target: UUID, *, by: User, now: datetime) -> Draft:
    """Keep a backup of another CA in a draft, as it is, so that it need not be sent again."""
    server = live_primary(target, field="server", now=now)
    draft = Draft.objects.begin(by, Draft.Kind.CHANGE_CA, now=now, data={})
    sealed = key_jobs.seal(passphrase, to=server, job=draft.pk, kind=ADOPT)
    file = base64.b64encode(data).decode()
    draft.put(backup={"file": file, "sealed": sealed, "server": str(server.pk)})
    return draft


@transaction.atomic
def begin(draft: Draft, *, by: User, now: datetime) -> VaultJob:
    """Ask the chosen server to open the kept backup; the draft waits for its answer."""
    kept = draft.data.get("backup")
    if not kept:
        raise Conflict(_("The backup was opened already, or is not kept any more."))
    authority = free_internal("changed")
    data = base64.b64decode(kept["file"])
    refuse_known(data)
    server = live_primary(UUID(kept["server"]), field="server", now=now)
    # One that did not answer in time, or refused it, may be asked again.
    VaultJob.objects.filter(pk=draft.pk).exclude(state=JobState.WAITING).delete()
    return ask(
        VaultJob(
            guid=draft.pk,
            kind=ADOPT,
            server=server,
            target=server,
            authority=authority,
            requested_by=by,
            payload=data,
            sealed=kept["sealed"],
        )
    )


def refuse_known(data: bytes) -> None:
    """Refuse the backup of a CA that the zone trusts still: the way back to it is another one."""
    digest = backup.peek_backup(data).ca_sha256
    states = (AuthorityState.CURRENT, AuthorityState.GRACE)
    known = Authority.objects.filter(sha256=digest, state__in=states).first()
    if known is not None:
        raise Refused(
            _(
                "This is a backup of %(subject)s, the CA from before, which is trusted "
                "still. Nothing was changed."
            )
            % {"subject": known.subject},
            action=_("Use Roll back on the page of the operation that replaced it."),
            field="file",
        )


@dataclass(frozen=True)
class Adopted:
    """A CA with its key, taken from a backup: for the draft, not yet for the zone."""

    draft: UUID
    data: dict[str, str]
    result: bytes = b""

    def store(self) -> None:
        """Give the wizard what was opened; the backup itself is dropped."""
        draft = Draft.objects.filter(pk=self.draft).first()
        if draft is None:
            raise Conflict(_("The dialog has ended in the meantime. Nothing was changed."))
        draft.put(adopted=self.data, backup=None)


def do(job: VaultJob, *, now: datetime) -> None:
    """Open the backup of a job on the server that it was given to."""
    key_jobs.perform(job, _open, now=now)


def _open(job: VaultJob, now: datetime) -> Adopted:
    """Open the backup; the key leaves this function sealed to this server alone."""
    root, key_pem = key_jobs.opened(job)
    here = Device.objects.get(pk=zone_keys.here().server_id)
    facts = details.describe(root)
    if not facts.not_before <= now < facts.not_after:
        raise Refused(
            _("%(subject)s is not valid now. Nothing was changed.") % {"subject": facts.subject}
        )
    data = {
        "authority": str(job.pk),
        "server": str(here.pk),
        "root_pem": root,
        "sealed_key": key_store.seal(key_pem, authority_id=job.pk, server=here),
    }
    return Adopted(job.pk, data)
