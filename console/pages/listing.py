"""The table component: columns that a user selects, and a CSV file of all or the selected rows.

A page defines one `Table`. Its template includes `console/headings.html`, `table_tools.html`
(the menu Columns, and Export), and `console/paging.html`. With `console/bulk_bar.html`, a user can
select rows, for a CSV file of these rows and for actions.

See: D-206, D-310
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from console.models import Preferences
from console.pages.bulk import list_selected_ids
from console.pages.downloads import StreamedDownload, stream_csv
from console.pages.paging import get_page
from console.pages.tables import (
    PAGE_SIZES,
    Column,
    TableQuery,
    build_chips,
    build_order,
    sort_columns,
)
from console.requests.language import in_english
from faults import Invalid

Q = TypeVar("Q", bound=QuerySet[Any])
CHUNK_SIZE, MAX_KEPT = 500, max(PAGE_SIZES)
KEY = re.compile(r"[0-9]{1,18}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A primary key in a URL: a number or a UUID."""
KEPT_ROWS = "keep"
"""The parameter of a live refresh with the IDs of the rows in the page, in their order."""
NOT_IN_LINKS = (KEPT_ROWS, "after", "before", "page")
"""Parameters that links to another order, filter, or page of a table do not contain."""
Field = tuple[str | Promise, Callable[[Any], Any]]
"""A column of a CSV file: its heading, and the function that returns its value for a row."""


@dataclass(frozen=True)
class View:
    """A table with the selection and the sort order of a user.

    `chosen` are the keys of the columns that the user has selected, [] for those that fit the
    window. `shown` are the keys of the columns in the page.
    """

    name: str
    columns: list[Column]
    shown: set[str]
    chosen: list[str]
    fixed: str
    all_columns: list[Column]
    order_field: str
    is_descending: bool

    def get_order(self, *default: str) -> list[str]:
        """Return the sort keys: the column that the user has selected, then the default order."""
        return build_order(self.order_field, default, descending=self.is_descending)


@dataclass(frozen=True)
class FilteredRows:
    """The rows of a table that match the filter chip of a request, and their order."""

    query: TableQuery
    view: View
    rows: QuerySet[Any]
    order: list[str]
    by_chip: Mapping[str, QuerySet[Any]]
    labels: Mapping[str, str | Promise]

    def build_context(self) -> dict[str, Any]:
        """Return what the templates of the table component need for one page of the rows.

        The rows are counted now, with one that the request has created.
        """
        numbers = {key: rows.count() for key, rows in self.by_chip.items()}
        return {
            "query": self.query,
            "table": self.view,
            "columns": self.view.columns,
            "page": get_page(self.rows, self.query, self.order),
            "sizes": PAGE_SIZES,
            "chips": build_chips(self.labels, numbers, self.query),
        }


@dataclass(frozen=True)
class Table:
    """A table. `name` is that of the CSV file, of the parameter of the export, and of preferences.

    The column with the key `fixed` is always shown. "" if the columns cannot be selected.
    """

    name: str
    columns: tuple[Column, ...]
    fields: tuple[Field, ...]
    fixed: str = ""

    def get_view(self, request: HttpRequest, query: TableQuery) -> View:
        """Return the columns for a user and a query string."""
        columns, field, descending = sort_columns(self.columns, query.sort)
        chosen = get_chosen(request, self.name) if self.fixed else []
        shown = {c.key for c in columns if not chosen or c.key in chosen or c.key == self.fixed}
        return View(
            name=self.name,
            columns=[column for column in columns if column.key in shown],
            shown=shown,
            chosen=chosen,
            fixed=self.fixed,
            all_columns=columns,
            order_field=field,
            is_descending=descending and bool(field),
        )

    def filter_rows(
        self,
        request: HttpRequest,
        by_chip: Mapping[str, QuerySet[Any]],
        labels: Mapping[str, str | Promise],
        *default_order: str,
    ) -> FilteredRows:
        """Return the rows of the chip in the query string. The chip "" has all rows."""
        query = TableQuery.parse(request.GET)
        view = self.get_view(request, query)
        return FilteredRows(
            query=query,
            view=view,
            rows=by_chip.get(query.state, by_chip[""]),
            order=view.get_order(*default_order),
            by_chip=by_chip,
            labels=labels,
        )

    def is_exported(self, request: HttpRequest) -> bool:
        """Return True if the request is for the CSV file of this table."""
        return request.GET.get("export") == self.name

    def export(self, rows: Any) -> StreamedDownload:
        """Return all rows as CSV in English, with all fields. Times are in UTC.

        `rows` can be a query. They are read after the request, when no other language is active.
        """
        found: Iterable[Any] = rows
        if hasattr(rows, "iterator"):
            found = rows.iterator(chunk_size=CHUNK_SIZE)
        cells = ([_format(value(row)) for _label, value in self.fields] for row in found)
        name = f"{self.name}_{timezone.now():%Y-%m-%d}.csv"
        return stream_csv(name, [in_english(label) for label, _value in self.fields], cells)


def require_safe_or_export(view: Callable[..., HttpResponseBase]) -> Callable[..., Any]:
    """Allow GET and HEAD, and POST only for the CSV file of selected rows.

    A thousand IDs are too long for a URL.
    """

    @wraps(view)
    def check(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_file = request.method == "POST" and "export" in request.GET
        if request.method not in ("GET", "HEAD") and not is_file:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return view(request, *args, **kwargs)

    return check


def get_selection(request: HttpRequest) -> set[str] | None:
    """Return the IDs of the rows that are exported, None for all rows that match the filter.

    Raises Invalid if a request for selected rows contains none or too many.
    """
    if request.method != "POST":
        return None
    ids = list_selected_ids(request)
    if not ids:
        raise Invalid(_("Select at least one row. No file was created."))
    return set(ids)


def select_rows(request: HttpRequest, found: Q) -> Q:
    """Return the rows that are exported: the selected ones, or all. Unknown IDs are omitted."""
    selection = get_selection(request)
    if selection is None:
        return found
    return found.filter(pk__in=_parse_keys(found, selection))


def _parse_keys(found: QuerySet[Any], ids: Iterable[str]) -> list[Any]:
    key: Any = found.model._meta.pk
    keys = []
    for text in filter(KEY.fullmatch, ids):
        with suppress(ValidationError):  # a number for a table with UUIDs, or the other way round
            keys.append(key.to_python(text))
    return keys


def keep_rows(request: HttpRequest, every: QuerySet[Any]) -> list[Any]:
    """Return the rows that a live refresh keeps, in their order. [] if the page is loaded.

    Rows then do not move while a user reads them, although their states change. Rows that no longer
    exist in `every` are omitted.
    """
    ids = request.GET.get(KEPT_ROWS, "").split(",")[:MAX_KEPT]
    known = [text for text in ids if KEY.fullmatch(text)]
    try:
        found = {str(key): row for key, row in every.in_bulk(known).items()} if known else {}
    except (ValidationError, ValueError):
        return []  # numbers for a table with UUIDs, or UUIDs for one with numbers
    return [found[text] for text in known if text in found]


def follow_rows(
    request: HttpRequest, every: QuerySet[Any], rows: Iterable[Any], *, most: int = MAX_KEPT
) -> list[Any]:
    """Return the rows of a page that is loaded, or refreshed: those that it shows, then new ones.

    `rows` are those that the page would show if it was loaded. Those that it does not show yet are
    added below the others, up to `most` in total, because above them they would move them.
    """
    kept = keep_rows(request, every)
    known = {row.pk for row in kept}
    added = [row for row in rows if row.pk not in known]
    return [*kept, *added[: max(0, most - len(kept))]]


def list_keys(rows: Iterable[Any]) -> str:
    """Return the value of KEPT_ROWS for rows: their primary keys."""
    return ",".join(str(row.pk) for row in rows)


def get_own_url(request: HttpRequest) -> str:
    """Return the URL of the page without the rows that a live refresh keeps."""
    values = request.GET.copy()
    values.pop(KEPT_ROWS, None)
    return f"{request.path}?{values.urlencode()}" if values else request.path


def get_chosen(request: HttpRequest, name: str) -> list[str]:
    """Return the columns of a table that the user has selected, [] for those that fit."""
    saved = Preferences.objects.filter(user_id=request.user.pk or 0).first()
    return list(saved.columns.get(name, [])) if saved is not None else []


def _format(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return value
