"""Health checks of the backups of the zone, and of the drills that restore them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.backup import status
from certificates.models import Authority
from certificates.monitoring.checks.findings import BAD, MAX_FINDINGS, WARNING, Finding
from certificates.operations.states import AuthorityState
from devices.models import Zone


def check_backups(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find a zone without backups, and backups that failed or are old."""
    page = reverse("certificates:checks")
    rows = list(status.list_statuses())
    if not rows:
        yield Finding(
            WARNING,
            _("No backups of the zone are scheduled."),
            _(
                "Set ZCC_BACKUP_DIRECTORY and ZCC_BACKUP_RECIPIENT for the worker of the "
                "certificate server."
            ),
            page,
        )
        return
    for row in rows[:MAX_FINDINGS]:
        names = {"server": row.server.name, "fault": row.fault}
        if row.fault:
            text = _("The last backup of %(server)s failed. %(fault)s")
        elif row.created_at is None or now - row.created_at > status.MAX_BACKUP_AGE:
            text = _("The last backup of %(server)s is more than two days old.")
        else:
            continue
        action = _("Correct the cause, and run manage.py backup on this server.")
        yield Finding(BAD, text % names, action, page, subject=str(row.pk))
    yield from _check_ca_key({row.pk for row in rows})


def _check_ca_key(servers: set[object]) -> Iterator[Finding]:
    """Find backups that do not contain the key of the zone CA."""
    current = Authority.objects.filter(state=AuthorityState.CURRENT).first()
    if current is None or not current.needs_backup or current.certificate_server_id in servers:
        return
    yield Finding(
        WARNING,
        _("No backup contains the CA key. The certificate server creates no backups."),
        _("Set ZCC_BACKUP_DIRECTORY and ZCC_BACKUP_RECIPIENT for its worker."),
        reverse("certificates:checks"),
        subject=current.sha256,
    )


def check_proofs(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find backups that the drill could not restore, or that it has not restored for a week."""
    for row in status.list_statuses()[:MAX_FINDINGS]:
        names = {"server": row.server.name, "fault": row.drill_fault}
        if row.drill_fault:
            severity = BAD
            text = _("The last backup of %(server)s cannot be restored. %(fault)s")
        elif row.proven_at is None and row.created_at is not None:
            severity, text = WARNING, _("No backup of %(server)s has been restored in a drill yet.")
        elif row.proven_at is not None and now - row.proven_at > status.MAX_PROOF_AGE:
            severity = WARNING
            text = _("No backup of %(server)s has been restored in a drill for a week.")
        else:
            continue
        yield Finding(
            severity,
            text % names,
            _("Run manage.py prove_backup on this server."),
            reverse("certificates:checks"),
            subject=str(row.pk),
        )
