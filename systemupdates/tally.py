"""Counts of a large update by state, kept while it goes (P-8).

Whoever looks at its live pane would count all its devices again every two seconds. The sweep
counts them anyway; a pane takes what it found, so it costs the same for any number of devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from systemupdates import table
from systemupdates.models import SystemUpdate

LARGE = 10_000
"""Fewer devices are counted when they are asked for."""
LASTS = timedelta(seconds=10)
"""Where the sweep has not come for so long, the pane counts by itself."""


def keep(update: SystemUpdate, numbers: Mapping[str, int], *, now: datetime) -> None:
    """Keep what was counted of a large update."""
    if sum(numbers.values()) >= LARGE:
        rows = SystemUpdate.objects.filter(pk=update.pk)
        rows.update(tally=dict(numbers), tallied_at=now)


def forget(update: UUID) -> None:
    """Let the devices be counted anew: an administrator has just changed one."""
    SystemUpdate.objects.filter(pk=update).update(tallied_at=None)


def recent(update: SystemUpdate, *, now: datetime) -> dict[str, int]:
    """Return the counts by state as they were a few seconds ago at most."""
    at = update.tallied_at
    if at is not None and now - LASTS < at:
        return dict(update.tally)
    return table.counts([update])[update.pk]
