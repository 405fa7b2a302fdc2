"""Pages of the devices of an operation, from the first devices that a summary lists.

The links have the same positions as other pages, so a page after the listed devices is searched
in the database.

See: D-230, D-305
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from certificates.summaries.operations import ALL, AT_RISK, OperationSummary
from certificates.trust import devices_at_risk
from console.pages import paging
from console.pages.paging import Page, SortKey
from console.pages.tables import TableQuery


def get_page(
    found: QuerySet[Any], query: TableQuery, order: Sequence[SortKey], summary: OperationSummary
) -> Page:
    """Return a page of the devices of an operation. `found` are those that match the query."""
    is_counted = query.state in (ALL, AT_RISK, *summary.numbers)
    if summary.counted_at is None or query.q or not is_counted:
        return paging.get_page(found, query, order)
    count = summary.count(query.state)
    listed = None if query.sort else summary.list_first(query.state)
    page = _get_listed(found, query, listed, count) if listed else None
    return page or paging.get_page(found, query, order, count=count)


def _get_listed(
    found: QuerySet[Any], query: TableQuery, listed: list[str], count: int
) -> Page | None:
    """Return a page of listed devices, None if not all of its devices are listed."""
    begin = _find_begin(query, listed)
    if begin is None or (begin + query.size > len(listed) and len(listed) < count):
        return None
    keys = listed[begin : begin + query.size]
    rows = found.annotate(group=devices_at_risk.ATTENTION_FIRST).in_bulk(keys)
    by_key = {str(key): row for key, row in rows.items()}
    shown = [by_key[key] for key in keys if key in by_key]
    if not shown:
        return None
    cursors = [(row.group, row.name, str(row.pk)) for row in shown]
    return Page.build(shown, cursors, count=count, before=begin)


def _find_begin(query: TableQuery, listed: list[str]) -> int | None:
    """Return the index of the first device of a page, None if its position is not listed."""
    text = query.before or query.after
    if not text:
        return 0
    values = paging.decode_cursor(text)
    key = values[-1] if values else None
    if not isinstance(key, str) or key not in listed:
        return None
    index = listed.index(key)
    return max(0, index - query.size) if query.before else index + 1
