"""Confirmation of jobs that take the CA key out of its server, on that server itself.

The web process holds the key of row MACs, because it registers devices and creates jobs. So a
web process that an attacker controls can create a valid job. The worker runs Move CA Role and
Backup CA only after the administrator of the operating system has confirmed them with
`manage.py confirm_job`. The confirmation is a MAC with the CA vault key, which the web process
cannot read.

See: D-172
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.chain.states import InvalidTransition
from certificates.approvals import job_checks
from certificates.models import VaultJob
from certificates.operations.states import JobState
from devices.identity import zone_keys
from faults import Conflict, Refused

PURPOSE = "zcc-job-confirmation"
EXPORTING = (VaultJob.Kind.MOVE, VaultJob.Kind.BACKUP)
LIFETIME = timedelta(hours=24)
EXPIRED = gettext_noop("The request was not confirmed on the certificate server within 24 hours.")


def hold_unconfirmed(job: VaultJob) -> bool:
    """Return True if a job has to wait for its confirmation, and store that it waits.

    Only the worker calls this. It reads the setting from its own environment.
    """
    if not settings.CONFIRM_KEY_JOBS or job.kind not in EXPORTING or job.state != JobState.WAITING:
        return False
    if job.confirmation and hmac.compare_digest(job.confirmation, _compute(job)):
        return False
    VaultJob.objects.transition(job, JobState.CONFIRMING, note=job.kind)
    return True


def list_unconfirmed() -> list[VaultJob]:
    """Return the jobs that are waiting for a confirmation on this server."""
    server = zone_keys.get_keyring().server_id
    waiting = VaultJob.objects.filter(server=server, state=JobState.CONFIRMING)
    rows = waiting.select_related("server", "target", "authority", "requested_by", "approved_by")
    return list(rows.order_by("created_at"))


def describe(job: VaultJob) -> list[tuple[str, str]]:
    """Return what the administrator of the certificate server must check, as names and values."""
    first, second = job.requested_by, job.approved_by
    values = [
        ("Job", str(job.pk)),
        ("Action", str(job.get_kind_display())),
        ("CA", f"{job.authority.subject}, SHA-256 {job.authority.sha256}"),
        ("Requested by", first.username if first is not None else "system"),
        ("Approved by", second.username if second is not None else "-"),
        ("Requested at", f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    if job.target is not None:
        values += [
            ("New server", f"{job.target.name}, {job.target.fqdn}"),
            ("CA vault key", job.target.ca_vault_key),
        ]
    return values


def confirm(job: VaultJob, *, now: datetime, note: str) -> None:
    """Confirm a job on its server. The worker runs it now."""
    if not job_checks.is_authentic(job):
        raise Refused(
            _("The record of this job was changed in the database. Nothing was done."),
            action=_("Treat it as an attack, and run manage.py check_rows."),
        )
    if not job_checks.has_approvals(job):
        raise Refused(job_checks.NOT_APPROVED)
    try:
        with transaction.atomic():
            VaultJob.objects.transition(
                job, JobState.WAITING, note=note, confirmation=_compute(job), confirmed_at=now
            )
    except IntegrityError as error:
        raise Conflict(
            _("Another CA key operation is in progress. Nothing was changed."),
            action=_("Wait a moment, then try again."),
        ) from error


def expire_unconfirmed(now: datetime) -> None:
    """Expire jobs that were not confirmed, and delete their passphrases."""
    late = VaultJob.objects.filter(state=JobState.CONFIRMING, created_at__lte=now - LIFETIME)
    for job in late:
        if job.is_authentic():
            with suppress(InvalidTransition):
                VaultJob.objects.transition(
                    job, JobState.EXPIRED, note=job.kind, ended_at=now, sealed="", reason=EXPIRED
                )


def _compute(job: VaultJob) -> str:
    """Return the MAC over what the job does, made with the CA vault key of this server."""
    target = job.target
    parts = (
        *(job.pk, job.kind, job.server_id, job.authority.sha256),
        *(job.target_id, target.ca_vault_key if target is not None else ""),
        hashlib.sha256(job.sealed.encode()).hexdigest(),
    )
    return zone_keys.get_keyring().get_ca_mac(PURPOSE, "|".join(map(str, parts)))
