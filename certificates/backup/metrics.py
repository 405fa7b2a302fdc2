"""Metrics of the backups of Primary Servers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from prometheus_client.metrics_core import Metric

from certificates.backup import status
from certificates.monitoring.families import build_gauge


def collect_backups(now: datetime) -> Iterable[Metric]:
    """Yield the ages of the last backups and of the last proofs, by server."""
    rows = list(status.list_statuses())
    yield build_gauge(
        "backup_age_seconds",
        "Time since the last backup of a Primary Server was created.",
        [
            ({"server": row.server.name}, (now - row.created_at).total_seconds())
            for row in rows
            if row.created_at is not None
        ],
    )
    yield build_gauge(
        "backup_proven_age_seconds",
        "Time since a drill last restored a backup of a Primary Server.",
        [
            ({"server": row.server.name}, (now - row.proven_at).total_seconds())
            for row in rows
            if row.proven_at is not None
        ],
    )
    yield build_gauge(
        "backup_drill_succeeded",
        "Whether the last drill could restore the last backup (1) or not (0).",
        [
            ({"server": row.server.name}, not row.drill_fault)
            for row in rows
            if row.drilled_at is not None
        ],
    )
    yield build_gauge(
        "backup_restore_seconds",
        "Duration of the last drill that restored a backup.",
        [
            ({"server": row.server.name}, row.drill_seconds)
            for row in rows
            if row.proven_at is not None
        ],
    )
