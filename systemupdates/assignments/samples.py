"""How many devices were how far at which time: kept as the rollout goes, drawn on its page.

A chart of samples costs the same for a hundred devices and for a million (B-6).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from console.pages import chart
from systemupdates.assignments import counts as assignments_counts
from systemupdates.models import Sample, SystemUpdate
from systemupdates.updates import tables
from systemupdates.updates.states import AssignmentState as A

LEAST_PAUSE = timedelta(seconds=2)
# The pause between samples grows with the age of the rollout: some hundred tell all of it.
SHARE_OF_AGE = 150
APPLIED = (A.APPLIED, A.ACTIVATING, A.ACTIVATED)
BAD = (A.FAILED, A.NEEDS_CRT)
LEFT_OUT = (A.IGNORED, A.CANCELED)
LINES = (("trusted", _("Applied")), ("activated", _("Activated")), ("failed", _("Failed")))


def note(update: SystemUpdate, *, now: datetime, last_word: bool = False) -> None:
    """Keep a sample where one is due and something changed; the `last_word` is always due."""
    if update.assigned_at is None:
        return
    numbers = tables.counts([update])[update.pk]
    assignments_counts.keep(update, numbers, now=now)
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
        for key, label in LINES
    ]
    moment = update.activates_at
    marks = [chart.Mark("activation", _("Activation"), moment)] if moment else []
    return chart.draw(moments, lines, of=found[-1][1].get("of", 0), marks=marks)
