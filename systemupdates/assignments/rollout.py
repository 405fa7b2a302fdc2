"""How an update has spread over time: what the rollout chart draws (B-6).

How many devices were how far at which time: kept as the rollout goes, drawn on its page.

A chart of samples costs the same for a hundred devices and for a million (B-6).

Counts of a large update by state, kept while it goes (P-8).

Whoever looks at its live pane would count all its devices again every two seconds. The sweep
counts them anyway; a pane takes what it found, so it costs the same for any number of devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_lazy as _

from console.pages import chart
from console.pages.chart import Series
from systemupdates.models import Assignment, Sample, SystemUpdate
from systemupdates.updates import tables
from systemupdates.updates.states import AssignmentState as A

# What is drawn, and the moment of an assignment that it counts.
LINES = (
    ("trusted", gettext_lazy("Applied"), "applied_at"),
    ("rehearsed", gettext_lazy("Rehearsed"), "rehearsed_at"),
    ("activated", gettext_lazy("Activated"), "activated_at"),
    ("seen", gettext_lazy("Seen after activation"), "confirmed_at"),
)


def counted(rows: QuerySet[Any], field: str, moments: Sequence[datetime]) -> list[int]:
    """Return how many rows had their moment by each of some moments, in one query."""
    asked = {
        f"n{number}": Count("pk", filter=Q(**{f"{field}__lte": moment}))
        for number, moment in enumerate(moments)
    }
    numbers = rows.order_by().aggregate(**asked)
    return [numbers[name] for name in asked]


def series(update: SystemUpdate, moments: Sequence[datetime]) -> list[Series]:
    """Return the lines of an update's chart."""
    rows = Assignment.objects.filter(update=update)
    return [Series(key, label, counted(rows, field, moments)) for key, label, field in LINES]


LEAST_PAUSE = timedelta(seconds=2)
# The pause between samples grows with the age of the rollout: some hundred tell all of it.
SHARE_OF_AGE = 150
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
BAD = (A.FAILED, A.NEEDS_CRT)
LEFT_OUT = (A.IGNORED, A.CANCELED)
CHART_LINES = (("trusted", _("Applied")), ("activated", _("Activated")), ("failed", _("Failed")))


def note(update: SystemUpdate, *, now: datetime, last_word: bool = False) -> None:
    """Keep a sample where one is due and something changed; the `last_word` is always due."""
    if update.assigned_at is None:
        return
    numbers = tables.counts([update])[update.pk]
    keep(update, numbers, now=now)
    before = update.samples.order_by("-at", "-pk").first()
    pause = max(LEAST_PAUSE, (now - update.assigned_at) / SHARE_OF_AGE)
    if before is not None and not last_word and now - before.at < pause:
        return
    counts = reckon(numbers)
    if before is None or before.counts != counts:
        Sample.objects.create(update=update, at=now, counts=counts)


def reckon(numbers: Mapping[str, int]) -> dict[str, int]:
    """Return what the chart shows of the devices by state."""
    return {
        "trusted": sum(numbers.get(state, 0) for state in APPLIED),
        "activated": numbers.get(A.ACTIVATED, 0),
        "failed": sum(numbers.get(state, 0) for state in BAD),
        "of": sum(n for state, n in numbers.items() if state not in LEFT_OUT),
    }


def points(
    update: SystemUpdate, numbers: Mapping[str, int], *, now: datetime
) -> list[tuple[datetime, dict[str, int]]]:
    """Return how far the devices were at which time, the last one now while the rollout goes on."""
    begin = update.assigned_at
    if begin is None:
        return []
    kept = [(sample.at, sample.counts) for sample in update.samples.order_by("at", "pk")]
    if update.state not in tables.HISTORY or not kept:
        kept.append((max(now, begin), reckon(numbers)))
    return kept


def drawn(update: SystemUpdate, numbers: Mapping[str, int], *, now: datetime) -> chart.Chart | None:
    """Return the chart of an update; None before there is anything to draw."""
    begin = update.assigned_at
    if begin is None:
        return None
    found = [(begin, {}), *points(update, numbers, now=now)]
    moments = [at for at, _counts in found]
    lines = [
        chart.Series(key, label, [counts.get(key, 0) for _at, counts in found])
        for key, label in CHART_LINES
    ]
    moment = update.activates_at
    marks = [chart.Mark("activation", _("Activation"), moment)] if moment else []
    return chart.draw(moments, lines, of=found[-1][1].get("of", 0), marks=marks)


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
