"""Counts of a large update by state, kept while it goes (P-8).

Whoever looks at its live pane would count all its devices again every two seconds. The sweep
counts them anyway; a pane takes what it found, so it costs the same for any number of devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from systemupdates.models import SystemUpdate
from systemupdates.updates import tables

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
    return recent_of([update], now=now)[update.pk]


def recent_of(updates: Sequence[SystemUpdate], *, now: datetime) -> dict[UUID, dict[str, int]]:
    """Return the counts of some updates; those that were not kept are counted in one query."""
    kept = {
        update.pk: dict(update.tally)
        for update in updates
        if update.tallied_at is not None and now - LASTS < update.tallied_at
    }
    rest = [update for update in updates if update.pk not in kept]
    counted = tables.counts(rest) if rest else {}
    return {update.pk: kept.get(update.pk) or counted.get(update.pk, {}) for update in updates}
