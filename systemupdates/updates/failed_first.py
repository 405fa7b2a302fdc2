"""The devices of a large update, failed devices first, without sorting all of them.

See: D-230
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from console.pages.paging import Page, decode_cursor
from console.pages.tables import TableQuery
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState

STATE_ORDER: tuple[AssignmentState, ...] = (
    *(AssignmentState.FAILED, AssignmentState.NEEDS_CRT),
    *(AssignmentState.APPLYING, AssignmentState.DOWNLOADING, AssignmentState.ASSIGNED),
    *(AssignmentState.PENDING, AssignmentState.ACTIVATING, AssignmentState.APPLIED),
    *(AssignmentState.IGNORED, AssignmentState.CANCELED, AssignmentState.ACTIVATED),
)
Rows = QuerySet[Assignment]


@dataclass(frozen=True)
class Cursor:
    """The position of a row: its state and its key."""

    state: AssignmentState
    key: int


class FailedFirst:
    """The devices of one update in the order of their states, and of their keys in each state.

    A page is one or two ranges of the index of update, state, and key. `numbers` are the counts of
    exactly these rows by state.
    """

    def __init__(self, rows: Rows, numbers: Mapping[str, int]) -> None:
        self._rows = rows
        self._numbers = numbers

    def count(self) -> int:
        """Return the number of devices."""
        return sum(self._numbers.values())

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, page: Any) -> list[Assignment]:
        """Return the rows of a slice. The rows before it are skipped in the index only."""
        begin, end = page.start or 0, page.stop
        keys: list[int] = []
        for state in STATE_ORDER:
            count = self._numbers.get(state, 0)
            if begin < count and end > 0:
                keys += _keys(self._rows.filter(state=state))[max(begin, 0) : min(end, count)]
            begin, end = begin - count, end - count
        return _read_rows(keys)

    def get_page(self, query: TableQuery) -> Page:
        """Return the requested page, or the nearest one if no row is left there."""
        after, before = _read_cursor(query.after), _read_cursor(query.before)
        keys: list[int] = []
        if before is not None:
            keys = self._collect(before, query.size, is_backward=True)
            keys = keys if len(keys) == query.size else []
        elif after is not None:
            keys = self._collect(after, query.size)
            keys = keys or self._collect(None, query.size, is_backward=True)
        rows = _read_rows(keys or self._collect(None, query.size))
        cursors = [(row.state, row.pk) for row in rows]
        skipped = self._count_before(rows[0]) if rows and (after or before) else 0
        return Page.build(rows, cursors, count=self.count(), before=skipped)

    def _collect(self, cursor: Cursor | None, size: int, *, is_backward: bool = False) -> list[int]:
        """Return the keys of the rows after a position, or before it, in their order."""
        states = STATE_ORDER[::-1] if is_backward else STATE_ORDER
        keys: list[int] = []
        for state in states[states.index(cursor.state) if cursor else 0 :]:
            rows = _keys(self._rows.filter(state=state))
            if cursor is not None and state == cursor.state:
                rows = rows.filter(**{"pk__lt" if is_backward else "pk__gt": cursor.key})
            if len(keys) < size and self._numbers.get(state, 0):
                keys += (rows.reverse() if is_backward else rows)[: size - len(keys)]
        return keys[::-1] if is_backward else keys

    def _count_before(self, row: Assignment) -> int:
        earlier = STATE_ORDER[: STATE_ORDER.index(AssignmentState(row.state))]
        same = self._rows.filter(state=row.state, pk__lt=row.pk)
        return sum(self._numbers.get(state, 0) for state in earlier) + same.count()


def _keys(rows: Rows) -> Any:
    return rows.order_by("pk").values_list("pk", flat=True)


def _read_rows(keys: list[int]) -> list[Assignment]:
    found = Assignment.objects.select_related("device").in_bulk(keys)
    return [found[key] for key in keys if key in found]


def _read_cursor(text: str) -> Cursor | None:
    """Return the position that a cursor names, or None if it is invalid."""
    match decode_cursor(text):
        case [str(state), int(key)] if state in STATE_ORDER and 0 <= key < 2**63:
            return Cursor(AssignmentState(state), key)
    return None
