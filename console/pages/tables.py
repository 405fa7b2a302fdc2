"""Tables in the address: sort, filter, search, page and page size survive a bookmark (B-24)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise

PAGE_SIZES = (5, 10, 25, 50, 100)
DEFAULT_SIZE = 25
MAX_SEARCH = 200


@dataclass(frozen=True)
class Column:
    """One column: its key, its heading, and the fields that sort it ("" cannot be sorted)."""

    key: str
    label: str | Promise
    order: str = ""
    sort: str = ""
    """The state of sorting by it: "", "ascending" or "descending"."""
    next_sort: str = ""
    """What a click on the heading asks for."""


@dataclass(frozen=True)
class Asked:
    """What the address asks of a table; anything it does not know is ignored."""

    q: str
    state: str
    sort: str
    page: str
    size: int

    @classmethod
    def read(cls, query: QueryDict) -> Asked:
        """Read the address."""
        size = query.get("per_page", "")
        known = size.isdigit() and int(size) in PAGE_SIZES
        return cls(
            q=query.get("q", "").strip().replace("\x00", "")[:MAX_SEARCH],
            state=query.get("state", ""),
            sort=query.get("sort", ""),
            page=query.get("page", "1"),
            size=int(size) if known else DEFAULT_SIZE,
        )

    @property
    def is_filtered(self) -> bool:
        """Tell whether a search or filter is on."""
        return bool(self.q or self.state)


def sorted_by(columns: Sequence[Column], asked: str) -> tuple[list[Column], str, bool]:
    """Return the columns with their sort state, the field to order by ("" default), descending."""
    key, descending = asked.removeprefix("-"), asked.startswith("-")
    found = ""
    shown = []
    for column in columns:
        here = bool(column.order) and column.key == key
        found = column.order if here else found
        state = ("descending" if descending else "ascending") if here else ""
        then = f"-{column.key}" if state == "ascending" else column.key
        shown.append(Column(column.key, column.label, column.order, state, then))
    return shown, found, descending


def page_of(things: Any, asked: Asked, *, count: int | None = None) -> Page[Any]:
    """Return the page that was asked for, the last one where there are fewer.

    `count` spares a query where it is known how many there are.
    """
    paginator = Paginator(things, asked.size)
    if count is not None:
        paginator.count = count
    return paginator.get_page(asked.page)


def csv_download(name: str, heading: Iterable[str], rows: Iterable[Iterable[Any]]) -> HttpResponse:
    """Return a table as a CSV file; what a spreadsheet would take for a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(heading)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    return as_download(response, name)


def as_download(response: HttpResponse, name: str) -> HttpResponse:
    """Mark an answer as a file to keep: attachment, no store (S-89)."""
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _harmless(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def counts(found: QuerySet[Any], conditions: dict[str, Q]) -> dict[str, int]:
    """Count in one query how many things meet each condition; "" counts all."""
    keys = {f"n{i}": name for i, name in enumerate(conditions)}
    asked = {key: Count("pk", filter=conditions[name]) for key, name in keys.items()}
    numbers = found.aggregate(all=Count("pk"), **asked)
    return {"": numbers["all"], **{name: numbers[key] for key, name in keys.items()}}
