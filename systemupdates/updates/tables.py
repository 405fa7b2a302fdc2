"""The lists of updates and of their devices: which rows a filter leaves, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, QuerySet, When
from django.utils.translation import gettext_lazy as _

from console.pages.tables import Column
from devices.models import Device
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import SETTLED, AssignmentState, UpdateState

OPEN = "open"
UPDATE_COLUMNS = (
    Column("name", _("System update"), "name"),
    Column("created", _("Created"), "created_at"),
    Column("state", _("Status"), "state"),
    Column("activation", _("Activation"), "activates_at"),
)
DEVICE_COLUMNS = (
    Column("device", _("Device"), "device__name"),
    Column("state", _("Status"), "state"),
    Column("changed", _("Changed"), "changed_at"),
    Column("contact", _("Last contact"), "device__last_contact"),
)
# Without another order the failed devices come first, then those that are not done. As a
# sequence of states: a page of it takes one or two ranges of the index.
STATES = (
    *(AssignmentState.FAILED, AssignmentState.NEEDS_CRT),
    *(AssignmentState.APPLYING, AssignmentState.DOWNLOADING, AssignmentState.ASSIGNED),
    *(AssignmentState.PENDING, AssignmentState.ACTIVATING, AssignmentState.APPLIED),
    *(AssignmentState.IGNORED, AssignmentState.CANCELED, AssignmentState.ACTIVATED),
)
_WORST_FIRST = Case(
    *(When(state=state, then=place) for place, state in enumerate(STATES)), default=len(STATES)
)
# So many of one state are put in the order of their names; more stay in that of their rows.
SORTED_AT_MOST = 200
FEW = 5_000
# The chips of the list of updates.
AVAILABLE = (UpdateState.CREATED, UpdateState.REPLICATING, UpdateState.REPLICATED)
DEPLOYING = (UpdateState.ASSIGNED, UpdateState.IN_PROGRESS, UpdateState.ERROR)
HISTORY = (UpdateState.COMPLETED, UpdateState.BASELINED, UpdateState.CANCELED)
GROUPS = {"available": AVAILABLE, "deploying": DEPLOYING, "history": HISTORY}


class WorstFirst:
    """The devices of one update, failed ones first, without ever sorting all of them.

    Among a million rows a page costs what it costs among a hundred: the counts by state tell
    which rows it holds. `numbers` are the counts of exactly these rows.
    """

    def __init__(self, every: QuerySet[Assignment], numbers: Mapping[str, int]) -> None:
        self._every = every
        self._numbers = numbers

    def count(self) -> int:
        """Return how many there are."""
        return sum(self._numbers.values())

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, wanted: Any) -> list[Assignment]:
        begin, end = wanted.start or 0, wanted.stop
        found: list[Assignment] = []
        for state in STATES:
            there = self._numbers.get(state, 0)
            if begin < there and end > 0:
                found += self._rows(state, there, max(begin, 0), min(end, there))
            begin, end = begin - there, end - there
        return found

    def _rows(self, state: str, there: int, begin: int, end: int) -> list[Assignment]:
        rows = self._every.filter(state=state)
        if there <= SORTED_AT_MOST:
            # Asked for by name a database would walk all devices in that order.
            return sorted(rows.select_related("device"), key=lambda row: row.device.name)[begin:end]
        # What lies before the page is skipped in the index alone, from whichever end is nearer.
        ordered = rows.order_by("pk").values_list("pk", flat=True)
        backward = begin > there - end
        keys = list(
            ordered.reverse()[there - end : there - begin] if backward else ordered[begin:end]
        )
        wanted = Assignment.objects.filter(pk__in=keys).order_by("pk")
        return list(wanted.select_related("device"))


def counts(found: Sequence[SystemUpdate]) -> dict[UUID, dict[str, int]]:
    """Return how many devices of each update are in each state, in one query for all of them."""
    numbers: dict[UUID, dict[str, int]] = defaultdict(dict)
    if len(found) == 1:
        # Without the update among the groups the index alone answers.
        numbers[found[0].pk] = by_state(Assignment.objects.filter(update=found[0].pk))
        return numbers
    rows = Assignment.objects.filter(update__in=found).order_by().values_list("update", "state")
    for update, state, n in rows.annotate(n=Count("*")):
        numbers[update][state] = n
    return numbers


def by_state(found: QuerySet[Assignment]) -> dict[str, int]:
    """Return how many of some assignments are in each state, by the index alone where it can."""
    rows = found.order_by().values_list("state").annotate(n=Count("*"))
    return dict(rows)


def matching(
    every: QuerySet[Assignment], state: str, q: str, *, few: bool = False
) -> QuerySet[Assignment]:
    """Return the assignments of a state, or the open ones, to devices that a search finds.

    `few`: there are so few that each one's name is looked at, whatever the zone has besides.
    """
    if state in AssignmentState.values:
        every = every.filter(state=state)
    elif state == OPEN:
        every = every.exclude(state__in=SETTLED)
    if not q:
        return every
    if few:
        return every.filter(device__name__icontains=q)
    # The names alone are an index; only who is found in there is looked up.
    return every.filter(device__in=Device.objects.filter(name__icontains=q).values("pk"))


def updates(q: str, state: str) -> QuerySet[SystemUpdate]:
    """Return the updates of a state, or of a group of states, that a search finds."""
    found = SystemUpdate.objects.shown().defer("envelope", "files")
    if q:
        found = found.filter(name__icontains=q)
    if state in GROUPS:
        return found.filter(state__in=GROUPS[state])
    return found.filter(state=state) if state in UpdateState.values else found


def status_by_device(
    update: SystemUpdate, numbers: Mapping[str, int], state: str, q: str, order: str
) -> Any:
    """Return the rows that are asked for; without another `order` the failed ones come first.

    `numbers` are the counts of all devices of the update by state. Of a few devices none is
    missed or told twice that moved since they were counted; among many that may happen.
    """
    every = Assignment.objects.filter(update=update)
    few = sum(numbers.values()) <= FEW
    found = matching(every, state, q, few=few)
    if order:
        return found.select_related("device").order_by(order, "pk")
    if few:
        return found.select_related("device").order_by(_WORST_FIRST, "device__name", "pk")
    if q:
        return WorstFirst(found, by_state(found))
    if state == OPEN:
        numbers = {key: n for key, n in numbers.items() if key not in SETTLED}
    elif state in AssignmentState.values:
        numbers = {state: numbers.get(state, 0)}
    return WorstFirst(every, numbers)
