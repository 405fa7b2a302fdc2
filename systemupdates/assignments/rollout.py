"""Rollout of an update over time: samples for the chart, and stored counts of large updates.

A chart of samples costs the same for any number of devices. The scheduler stores the counts of
large updates, so that the live pane does not count all devices every two seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from console.pages import chart
from console.pages.chart import Series
from systemupdates.models import Assignment, RolloutSample, SystemUpdate
from systemupdates.updates import tables
from systemupdates.updates.states import APPLIED, ERRORS
from systemupdates.updates.states import AssignmentState as A

# The series of the chart of an operation: key, label, and field of the assignment.
SERIES_FIELDS = (
    ("trusted", _("Applied"), "applied_at"),
    ("rehearsed", _("Passed preflight check"), "preflight_at"),
    ("activated", _("Activated"), "activated_at"),
    ("seen", _("Connected after activation"), "confirmed_at"),
)


def count_until(rows: QuerySet[Any], field: str, moments: Sequence[datetime]) -> list[int]:
    """Return the number of rows whose field is set by each moment, in one query."""
    counts = {
        f"n{number}": Count("pk", filter=Q(**{f"{field}__lte": moment}))
        for number, moment in enumerate(moments)
    }
    numbers = rows.order_by().aggregate(**counts)
    return [numbers[name] for name in counts]


def build_series(update: SystemUpdate, moments: Sequence[datetime]) -> list[Series]:
    """Return the series of the chart of an operation."""
    rows = Assignment.objects.filter(update=update)
    return [
        Series(key, label, count_until(rows, field, moments)) for key, label, field in SERIES_FIELDS
    ]


MIN_SAMPLE_INTERVAL = timedelta(seconds=2)
# The interval between samples grows with the age of the rollout, to limit their number.
SHARE_OF_AGE = 150
EXCLUDED = (A.IGNORED, A.CANCELED)
CHART_SERIES = (("trusted", _("Applied")), ("activated", _("Activated")), ("failed", _("Failed")))


def record_sample(update: SystemUpdate, *, now: datetime, is_final: bool = False) -> None:
    """Store a sample if one is due and the counts have changed. A final sample is always due."""
    if update.assigned_at is None:
        return
    numbers = tables.count_devices([update])[update.pk]
    store_counts(update, numbers, now=now)
    before = update.samples.order_by("-at", "-pk").first()
    interval = max(MIN_SAMPLE_INTERVAL, (now - update.assigned_at) / SHARE_OF_AGE)
    if before is not None and not is_final and now - before.at < interval:
        return
    counts = summarize_counts(numbers)
    if before is None or before.counts != counts:
        RolloutSample.objects.create(update=update, at=now, counts=counts)


def summarize_counts(numbers: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of the chart for the numbers of devices by state."""
    return {
        "trusted": sum(numbers.get(state, 0) for state in APPLIED),
        "activated": numbers.get(A.ACTIVATED, 0),
        "failed": sum(numbers.get(state, 0) for state in ERRORS),
        "of": sum(n for state, n in numbers.items() if state not in EXCLUDED),
    }


def get_points(
    update: SystemUpdate, numbers: Mapping[str, int], *, now: datetime
) -> list[tuple[datetime, dict[str, int]]]:
    """Return the samples of an update, and the current numbers while the rollout is in progress."""
    begin = update.assigned_at
    if begin is None:
        return []
    found = [(sample.at, sample.counts) for sample in update.samples.order_by("at", "pk")]
    if update.state not in tables.HISTORY or not found:
        found.append((max(now, begin), summarize_counts(numbers)))
    return found


def build_rollout_chart(
    update: SystemUpdate, numbers: Mapping[str, int], *, now: datetime
) -> chart.Chart | None:
    """Return the chart of an update, None if the update has not been assigned."""
    begin = update.assigned_at
    if begin is None:
        return None
    found = [(begin, {}), *get_points(update, numbers, now=now)]
    moments = [at for at, _counts in found]
    lines = [
        chart.Series(key, label, [counts.get(key, 0) for _at, counts in found])
        for key, label in CHART_SERIES
    ]
    moment = update.activates_at
    marks = [chart.Mark("activation", _("Activation"), moment)] if moment else []
    return chart.build_chart(moments, lines, of=found[-1][1].get("of", 0), marks=marks)


# Number of devices from which the scheduler stores the counts.
LARGE_UPDATE = 10_000
# Older stored counts are not used.
MAX_COUNTS_AGE = timedelta(seconds=10)


def store_counts(update: SystemUpdate, numbers: Mapping[str, int], *, now: datetime) -> None:
    """Store the counts of a large update."""
    if sum(numbers.values()) >= LARGE_UPDATE:
        rows = SystemUpdate.objects.filter(pk=update.pk)
        rows.update(counts=dict(numbers), counted_at=now)


def discard_counts(update: UUID) -> None:
    """Discard the stored counts after an administrator has changed a device."""
    SystemUpdate.objects.filter(pk=update).update(counted_at=None)


def find_stored_counts(
    updates: Sequence[SystemUpdate], *, now: datetime
) -> dict[UUID, dict[str, int]]:
    """Return the stored counts of those updates of which they are at most a few seconds old."""
    return {
        update.pk: dict(update.counts)
        for update in updates
        if update.counted_at is not None and now - MAX_COUNTS_AGE < update.counted_at
    }


def get_recent_counts(update: SystemUpdate, *, now: datetime) -> dict[str, int]:
    """Return the number of devices by state, at most a few seconds old."""
    return get_recent_counts_by_update([update], now=now)[update.pk]


def get_recent_counts_by_update(
    updates: Sequence[SystemUpdate], *, now: datetime
) -> dict[UUID, dict[str, int]]:
    """Return the number of devices by state of several updates, at most a few seconds old."""
    stored = find_stored_counts(updates, now=now)
    rest = [update for update in updates if update.pk not in stored]
    counted = tables.count_devices(rest) if rest else {}
    return {update.pk: stored.get(update.pk) or counted.get(update.pk, {}) for update in updates}
