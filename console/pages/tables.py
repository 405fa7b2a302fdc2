"""Tables whose order, filter, search text, and page size are in the URL."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.functional import Promise

PAGE_SIZES = (5, 10, 25, 50, 100)
DEFAULT_SIZE = 25
MAX_SEARCH = 200
R = TypeVar("R", bound=HttpResponseBase)


@dataclass(frozen=True)
class Column:
    """A column: key, heading, and the field to sort by ("" if it cannot be sorted)."""

    key: str
    label: str | Promise
    order: str = ""
    sort: str = ""
    """The current sort order of this column: "", "ascending", or "descending"."""
    next_sort: str = ""
    """The value of the sort parameter in the link of the heading."""


@dataclass(frozen=True)
class TableQuery:
    """The table parameters of a URL; unknown values are ignored."""

    q: str
    state: str
    sort: str
    size: int
    after: str = ""
    """The cursor of the row before the page."""
    before: str = ""
    """The cursor of the row after the page."""

    @classmethod
    def parse(cls, parameters: QueryDict) -> TableQuery:
        """Return the table parameters of a query string."""
        size = parameters.get("per_page", "")
        known = size in map(str, PAGE_SIZES)
        return cls(
            q=parameters.get("q", "").strip().replace("\x00", "")[:MAX_SEARCH],
            state=parameters.get("state", ""),
            sort=parameters.get("sort", ""),
            size=int(size) if known else DEFAULT_SIZE,
            after=parameters.get("after", ""),
            before=parameters.get("before", ""),
        )

    @property
    def is_filtered(self) -> bool:
        """Return True if a search text or filter is set."""
        return bool(self.q or self.state)


def sort_columns(columns: Sequence[Column], sort: str) -> tuple[list[Column], str, bool]:
    """Return the columns with their sort state, the field to order by ("" default), descending."""
    key, descending = sort.removeprefix("-"), sort.startswith("-")
    field = ""
    sorted_columns = []
    for column in columns:
        is_sorted = bool(column.order) and column.key == key
        field = column.order if is_sorted else field
        state = ("descending" if descending else "ascending") if is_sorted else ""
        link = f"-{column.key}" if state == "ascending" else column.key
        sorted_columns.append(Column(column.key, column.label, column.order, state, link))
    return sorted_columns, field, descending


def list_sort_keys(columns: Sequence[Column]) -> list[str]:
    """Return the keys of the columns by which a table can be sorted."""
    return [column.key for column in columns if column.order]


def build_order(field: str, default: Sequence[str], *, descending: bool) -> list[str]:
    """Return the sort keys of a table: a field if it is not "", then the default order."""
    first = [f"{'-' if descending else ''}{field}"] if field else []
    return first + [key for key in default if key.removeprefix("-") != field]


def csv_download(name: str, heading: Iterable[str], rows: Iterable[Iterable[Any]]) -> HttpResponse:
    """Return a table as a CSV file; cells that a spreadsheet would run as formulas are escaped."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(heading)
    writer.writerows([escape_formula(cell) for cell in row] for row in rows)
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    return as_attachment(response, name)


def as_attachment(response: R, name: str) -> R:
    """Mark a response as a download that must not be cached."""
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def escape_formula(cell: Any) -> str:
    """Return a cell as text that a spreadsheet does not run as a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def count_by_condition(found: QuerySet[Any], conditions: dict[str, Q]) -> dict[str, int]:
    """Return the number of rows that meet each condition, with one query; "" is the total."""
    keys = {f"n{i}": name for i, name in enumerate(conditions)}
    aggregates = {key: Count("pk", filter=conditions[name]) for key, name in keys.items()}
    numbers = found.aggregate(all=Count("pk"), **aggregates)
    return {"": numbers["all"], **{name: numbers[key] for key, name in keys.items()}}


def build_chips(
    labels: Mapping[str, str | Promise], numbers: Mapping[str, int], query: TableQuery
) -> list[dict[str, Any]]:
    """Return the filter chips of a table with their counts."""
    return [
        {"key": key, "label": label, "n": numbers[key], "on": key == query.state}
        for key, label in labels.items()
    ]
