"""How an update has spread over time: what the rollout chart draws (B-6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy

from console.pages.chart import Series
from systemupdates.models import Assignment, SystemUpdate

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
