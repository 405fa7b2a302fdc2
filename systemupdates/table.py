"""The lists of updates and of their devices: which rows a filter leaves, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Case, Count, QuerySet, When

from systemupdates.machine import SETTLED, AssignmentState
from systemupdates.models import Assignment, SystemUpdate

OPEN = "open"
# Without another order the failed devices come first, then those that are not done.
WORST_FIRST = Case(
    When(state__in=(AssignmentState.FAILED, AssignmentState.NEEDS_CRT), then=0),
    When(state__in=SETTLED, then=2),
    default=1,
)


def counts(found: Sequence[SystemUpdate]) -> dict[UUID, dict[str, int]]:
    """Return how many devices of each update are in each state, in one query for all of them."""
    numbers: dict[UUID, dict[str, int]] = defaultdict(dict)
    rows = Assignment.objects.filter(update__in=found).values_list("update", "state")
    for update, state, n in rows.annotate(n=Count("*")):
        numbers[update][state] = n
    return numbers


def matching(every: QuerySet[Assignment], state: str, q: str) -> QuerySet[Assignment]:
    """Return the assignments of a state, or the open ones, to devices that a search finds."""
    if state in AssignmentState.values:
        every = every.filter(state=state)
    elif state == OPEN:
        every = every.exclude(state__in=SETTLED)
    return every.filter(device__name__icontains=q) if q else every
