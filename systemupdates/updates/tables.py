"""Filters and sort order of the lists of updates and of their devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, QuerySet, When
from django.utils.translation import gettext_lazy as _

from console.pages.listing import Table
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
    Column("changed", _("Last changed"), "changed_at"),
    Column("contact", _("Last contact"), "device__last_contact"),
)
UPDATES = Table(
    "system-updates",
    UPDATE_COLUMNS,
    (
        (_("System update"), lambda row: row["update"].name),
        (_("Created"), lambda row: row["update"].created_at),
        (_("Status"), lambda row: row["update"].get_state_display()),
        (_("Activation"), lambda row: row["update"].activates_at),
        (_("Devices activated"), lambda row: row["done"]),
        (_("Devices"), lambda row: row["of"]),
    ),
)
STATUS_BY_DEVICE = Table(
    "status-by-device",
    DEVICE_COLUMNS,
    (
        (_("Device"), lambda row: row.device.name),
        (_("Role"), lambda row: row.device.get_role_display()),
        (_("Status"), lambda row: row.get_state_display()),
        (_("Reason"), lambda row: row.reason),
        (_("Recommended action"), lambda row: row.action),
        (_("Last changed"), lambda row: row.changed_at),
        (_("Activated"), lambda row: row.activated_at),
        (_("Last contact"), lambda row: row.device.last_contact),
    ),
)
# The default order: failed devices first, then devices that are not done. Because it is an order of
# states, a page is one or two ranges of the index.
STATE_ORDER = (
    *(AssignmentState.FAILED, AssignmentState.NEEDS_CRT),
    *(AssignmentState.APPLYING, AssignmentState.DOWNLOADING, AssignmentState.ASSIGNED),
    *(AssignmentState.PENDING, AssignmentState.ACTIVATING, AssignmentState.APPLIED),
    *(AssignmentState.IGNORED, AssignmentState.CANCELED, AssignmentState.ACTIVATED),
)
_FAILED_FIRST = Case(
    *(When(state=state, then=position) for position, state in enumerate(STATE_ORDER)),
    default=len(STATE_ORDER),
)
# Up to this number, devices of one state are sorted by name, otherwise by key.
MAX_SORTED = 200
SMALL_UPDATE = 5_000
# The filters of the list of updates.
AVAILABLE = (UpdateState.CREATED, UpdateState.REPLICATING, UpdateState.REPLICATED)
DEPLOYING = (UpdateState.ASSIGNED, UpdateState.IN_PROGRESS, UpdateState.ERROR)
HISTORY = (UpdateState.COMPLETED, UpdateState.BASELINED, UpdateState.CANCELED)
GROUPS = {"available": AVAILABLE, "deploying": DEPLOYING, "history": HISTORY}


class FailedFirst:
    """The devices of one update, failed devices first, without sorting all of them.

    The cost of a page does not depend on the number of devices, because the counts by state give
    its position in the index. `numbers` are the counts of exactly these rows.
    """

    def __init__(self, rows: QuerySet[Assignment], numbers: Mapping[str, int]) -> None:
        self._rows = rows
        self._numbers = numbers

    def count(self) -> int:
        """Return the number of devices."""
        return sum(self._numbers.values())

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, page: Any) -> list[Assignment]:
        begin, end = page.start or 0, page.stop
        found: list[Assignment] = []
        for state in STATE_ORDER:
            count = self._numbers.get(state, 0)
            if begin < count and end > 0:
                found += self._get_rows(state, count, max(begin, 0), min(end, count))
            begin, end = begin - count, end - count
        return found

    def _get_rows(self, state: str, count: int, begin: int, end: int) -> list[Assignment]:
        rows = self._rows.filter(state=state)
        if count <= MAX_SORTED:
            # If the database sorted by name, it would read all devices in that order.
            return sorted(rows.select_related("device"), key=lambda row: row.device.name)[begin:end]
        # The rows before the page are skipped in the index only, from the nearer end.
        ordered = rows.order_by("pk").values_list("pk", flat=True)
        backward = begin > count - end
        keys = list(
            ordered.reverse()[count - end : count - begin] if backward else ordered[begin:end]
        )
        selected = Assignment.objects.filter(pk__in=keys).order_by("pk")
        return list(selected.select_related("device"))


def count_devices(found: Sequence[SystemUpdate]) -> dict[UUID, dict[str, int]]:
    """Return the number of devices of each update by state, in one query."""
    numbers: dict[UUID, dict[str, int]] = defaultdict(dict)
    if len(found) == 1:
        # Without grouping by update, the database reads only the index.
        numbers[found[0].pk] = count_by_state(Assignment.objects.filter(update=found[0].pk))
        return numbers
    rows = Assignment.objects.filter(update__in=found).order_by().values_list("update", "state")
    for update, state, n in rows.annotate(n=Count("*")):
        numbers[update][state] = n
    return numbers


def count_by_state(found: QuerySet[Assignment]) -> dict[str, int]:
    """Return the number of assignments by state."""
    rows = found.order_by().values_list("state").annotate(n=Count("*"))
    return dict(rows)


def filter_assignments(
    rows: QuerySet[Assignment], state: str, q: str, *, is_small: bool = False
) -> QuerySet[Assignment]:
    """Return the assignments of a state, or the open ones, that match a search for device names.

    `is_small`: there are so few rows that reading each device is faster than searching all names.
    """
    if state in AssignmentState.values:
        rows = rows.filter(state=state)
    elif state == OPEN:
        rows = rows.exclude(state__in=SETTLED)
    if not q:
        return rows
    if is_small:
        return rows.filter(device__name__icontains=q)
    # The names are read from their index.
    return rows.filter(device__in=Device.objects.filter(name__icontains=q).values("pk"))


def filter_updates(q: str, state: str) -> QuerySet[SystemUpdate]:
    """Return the updates of a state or a group of states that match a search."""
    found = SystemUpdate.objects.visible().defer("envelope", "files")
    if q:
        found = found.filter(name__icontains=q)
    if state in GROUPS:
        return found.filter(state__in=GROUPS[state])
    return found.filter(state=state) if state in UpdateState.values else found


def get_status_by_device(
    update: SystemUpdate, numbers: Mapping[str, int], state: str, q: str, order: str
) -> Any:
    """Return the rows of Status by Device. By default, failed devices come first.

    `numbers` are the counts of all devices of the update by state. In a large update, a device
    whose state changes after the count can be missing or shown twice.
    """
    rows = Assignment.objects.filter(update=update)
    is_small = sum(numbers.values()) <= SMALL_UPDATE
    found = filter_assignments(rows, state, q, is_small=is_small)
    if order:
        return found.select_related("device").order_by(order, "pk")
    if is_small:
        return found.select_related("device").order_by(_FAILED_FIRST, "device__name", "pk")
    if q:
        return FailedFirst(found, count_by_state(found))
    if state == OPEN:
        numbers = {key: n for key, n in numbers.items() if key not in SETTLED}
    elif state in AssignmentState.values:
        numbers = {state: numbers.get(state, 0)}
    return FailedFirst(rows, numbers)


def list_status_by_device(
    update: SystemUpdate, state: str, q: str, order: str
) -> QuerySet[Assignment]:
    """Return all rows of Status by Device, for a file. By default, failed devices come first."""
    rows = Assignment.objects.filter(update=update)
    found = filter_assignments(rows, state, q, is_small=True).select_related("device")
    return found.order_by(order or _FAILED_FIRST, "device__name", "pk")
