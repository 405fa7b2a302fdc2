"""Filters and sort order of the lists of updates and of their devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, QuerySet, When
from django.utils.translation import gettext_lazy as _

from console.pages import paging
from console.pages.listing import Table
from console.pages.paging import Page, SortKey, sort_rows
from console.pages.tables import Column, TableQuery
from devices.models import Device
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.failed_first import STATE_ORDER, FailedFirst
from systemupdates.updates.states import SETTLED, AssignmentState, UpdateState

OPEN = "open"
UPDATE_COLUMNS = (
    Column("name", _("System update"), "name"),
    Column("created", _("Created"), "created_at"),
    Column("state", _("Status"), "state"),
    Column("activation", _("Activation"), "activates_at"),
    Column("progress", _("Progress")),
    Column("devices", _("Status by Device")),
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
    fixed="name",
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
        (_("Pilot group"), lambda row: _("Yes") if row.is_pilot else _("No")),
        (_("Last changed"), lambda row: row.changed_at),
        (_("Activated"), lambda row: row.activated_at),
        (_("Last contact"), lambda row: row.device.last_contact),
    ),
    fixed="device",
)
# The default order: failed devices first, then devices that are not done.
_FAILED_FIRST = Case(
    *(When(state=state, then=position) for position, state in enumerate(STATE_ORDER)),
    default=len(STATE_ORDER),
)
DEFAULT_ORDER: tuple[SortKey, ...] = (_FAILED_FIRST, "device__name")
# The number of devices up to which the database sorts all of them by state and name.
SMALL_UPDATE = 5_000
# The filters of the list of updates.
AVAILABLE = (UpdateState.CREATED, UpdateState.REPLICATING, UpdateState.REPLICATED)
DEPLOYING = (UpdateState.ASSIGNED, UpdateState.IN_PROGRESS, UpdateState.ERROR)
HISTORY = (UpdateState.COMPLETED, UpdateState.BASELINED, UpdateState.CANCELED)
GROUPS = {"available": AVAILABLE, "deploying": DEPLOYING, "history": HISTORY}


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
    update: SystemUpdate, numbers: Mapping[str, int], state: str, q: str, order: Sequence[str]
) -> Any:
    """Return the rows of Status by Device. By default, failed devices come first.

    `numbers` are the counts of all devices of the update by state. In a large update, a device
    whose state changes after the count can be missing or shown twice. Devices of one state are
    sorted by name, and in a large update by key.
    """
    rows = Assignment.objects.filter(update=update)
    is_small = sum(numbers.values()) <= SMALL_UPDATE
    found = filter_assignments(rows, state, q, is_small=is_small)
    if order:
        return sort_rows(found.select_related("device"), order)
    if is_small:
        return sort_rows(found.select_related("device"), DEFAULT_ORDER)
    if q:
        return FailedFirst(found, count_by_state(found))
    if state == OPEN:
        numbers = {key: n for key, n in numbers.items() if key not in SETTLED}
    elif state in AssignmentState.values:
        numbers = {state: numbers.get(state, 0)}
    return FailedFirst(rows, numbers)


def list_status_by_device(
    update: SystemUpdate, state: str, q: str, order: Sequence[str]
) -> QuerySet[Assignment]:
    """Return all rows of Status by Device, for a file. By default, failed devices come first."""
    rows = Assignment.objects.filter(update=update)
    found = filter_assignments(rows, state, q, is_small=True).select_related("device")
    return sort_rows(found, [*order, "device__name"] if order else DEFAULT_ORDER)


def get_page(
    found: QuerySet[Assignment] | FailedFirst, query: TableQuery, order: Sequence[SortKey]
) -> Page:
    """Return a page of the rows of `get_status_by_device`."""
    if isinstance(found, FailedFirst):
        return found.get_page(query)
    return paging.get_page(found, query, order or DEFAULT_ORDER)
