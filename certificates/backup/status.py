"""Record the results of backups and drills, and decide when the next ones are due.

See: D-198
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db.models import F, QuerySet

from audit.models import Entry
from certificates.backup.archive import Manifest
from certificates.models import Authority, BackupStatus
from certificates.operations.states import AuthorityState
from devices.models import Device
from faults import Fault

# Actions in the audit log.
BACKED_UP, PROVEN = "back-up-zone", "backup-proven"
BACKUP_FAILED, NOT_PROVEN = FAILURES = ("backup-failed", "backup-not-proven")
BACKUP_INTERVAL = timedelta(days=1)
DRILL_INTERVAL = timedelta(days=7)
RETRY_INTERVAL = timedelta(hours=1)
# Later than these, the last backup and the last drill are a finding.
MAX_BACKUP_AGE = timedelta(days=2)
MAX_PROOF_AGE = timedelta(days=8)


def get_status(server: Device) -> BackupStatus:
    """Return what is known about the backups of a server."""
    return BackupStatus.objects.get_or_create(server=server)[0]


def list_statuses() -> QuerySet[BackupStatus]:
    """Return what is known about the backups of the Primary Servers that create them."""
    rows = BackupStatus.objects.filter(server__in=Device.objects.primaries())
    return rows.select_related("server").order_by("server__name")


def summarize() -> BackupStatus | None:
    """Return the backups of the server with the last proof, or None without backups."""
    return list_statuses().order_by(F("proven_at").desc(nulls_last=True)).first()


def remove_status(server: Device) -> None:
    """Remove what is known about a server that creates no backups."""
    BackupStatus.objects.filter(server=server).delete()


def record_backup(server: Device, manifest: Manifest, path: Path, *, now: datetime) -> None:
    """Record that a backup was created."""
    _record(BACKED_UP, server, path.name)
    _update(
        server,
        attempted_at=now,
        created_at=datetime.fromtimestamp(manifest.created, UTC),
        ca_sha256=manifest.ca_sha256,
        size=path.stat().st_size,
        fault="",
    )


def record_backup_fault(server: Device, fault: Fault, *, now: datetime) -> None:
    """Record why no backup was created."""
    if get_status(server).fault != str(fault):
        _record(BACKUP_FAILED, server, fault.explanation)
    _update(server, attempted_at=now, fault=str(fault))


def record_proof(
    server: Device, manifest: Manifest, path: Path, seconds: float, *, now: datetime
) -> None:
    """Record that a drill has restored a backup, and how long this took."""
    _record(PROVEN, server, path.name)
    _update(
        server,
        drilled_at=now,
        drill_fault="",
        proven_at=now,
        proven_created_at=datetime.fromtimestamp(manifest.created, UTC),
        drill_seconds=seconds,
    )


def record_drill_fault(server: Device, fault: Fault, *, now: datetime) -> None:
    """Record why a drill failed."""
    if get_status(server).drill_fault != str(fault):
        _record(NOT_PROVEN, server, fault.explanation)
    _update(server, drilled_at=now, drill_fault=str(fault))


def is_backup_due(status: BackupStatus, now: datetime) -> bool:
    """Return True after a day, after a change of the zone CA, and an hour after a failure."""
    if status.attempted_at is None or status.created_at is None or status.fault:
        return status.attempted_at is None or now - status.attempted_at >= RETRY_INTERVAL
    current = Authority.objects.filter(state=AuthorityState.CURRENT).first()
    if current is not None and current.sha256 != status.ca_sha256:
        return True
    return now - status.created_at >= BACKUP_INTERVAL


def is_drill_due(status: BackupStatus, now: datetime) -> bool:
    """Return True after a week, and an hour after a failure, if there is a backup."""
    if status.created_at is None:
        return False
    if status.drilled_at is None:
        return True
    interval = RETRY_INTERVAL if status.drill_fault else DRILL_INTERVAL
    return now - status.drilled_at >= interval


def _record(action: str, server: Device, note: str) -> None:
    """Append an audit entry. A failure that is repeated every hour adds one only."""
    Entry.objects.record(action, f"devices.Device:{server.pk}", there=server.name[:32], note=note)


def _update(server: Device, **values: object) -> None:
    BackupStatus.objects.update_or_create(server=server, defaults=values)
