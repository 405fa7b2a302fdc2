"""Keyset paging: the URL of a page names the row before it or after it, never a number of rows.

The database finds the page with an index, however many rows are before it. Rows that are added or
removed in the meantime do not move the others.

See: D-230
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Case, F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from console.pages.tables import TableQuery

MAX_CURSOR = 2_000
SortKey = str | Case
"""A field, with the prefix `-` for descending order, or an expression that is never NULL."""


@dataclass(frozen=True)
class Page:
    """The rows of a page, and the cursors of the next and the previous page, "" without one.

    `count` is the number of all rows, `before` the number of rows before the page.
    """

    rows: Sequence[Any]
    count: int
    before: int
    next: str
    previous: str

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def first(self) -> int:
        """Return the number of the first row, counted from 1. 0 for an empty table."""
        return self.before + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """Return the number of the last row."""
        return self.before + len(self.rows)

    @classmethod
    def build(
        cls, rows: Sequence[Any], cursors: Sequence[Sequence[Any]], *, count: int, before: int
    ) -> Page:
        """Return a page. `cursors` are the sort values of each row."""
        is_last = before + len(rows) >= count
        return cls(
            rows=rows,
            count=max(count, before + len(rows)),
            before=before,
            next="" if is_last or not rows else encode_cursor(cursors[-1]),
            previous=encode_cursor(cursors[0]) if before and rows else "",
        )


@dataclass(frozen=True)
class _Key:
    """A sort key: annotation, expression, and order. NULL is last in both orders."""

    name: str
    expression: Any
    is_descending: bool
    is_nullable: bool

    def order_by(self, *, is_reversed: bool) -> OrderBy:
        # NULLS LAST would prevent the use of an index, and a column without NULL does not need it.
        nulls = {}
        if self.is_nullable:
            nulls = {"nulls_first": True} if is_reversed else {"nulls_last": True}
        descending = self.is_descending != is_reversed
        return F(self.name).desc(**nulls) if descending else F(self.name).asc(**nulls)

    def equal(self, value: Any) -> Q:
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def beyond(self, value: Any, *, is_after: bool, or_equal: bool = False) -> Q:
        """Return the condition for rows after a value, or before it."""
        if value is None:
            if is_after:
                return self.equal(None) if or_equal else Q(pk__in=())
            return Q() if or_equal else Q(**{f"{self.name}__isnull": False})
        operator = "gt" if self.is_descending != is_after else "lt"
        found = Q(**{f"{self.name}__{operator}{'e' if or_equal else ''}": value})
        return found | self.equal(None) if is_after and self.is_nullable else found


def sort_rows(found: QuerySet[Any], order: Sequence[SortKey]) -> QuerySet[Any]:
    """Return all rows in the order of the pages."""
    keys = _build_keys(found, order)
    annotated: QuerySet[Any] = found.annotate(**{key.name: key.expression for key in keys})
    return annotated.order_by(*(key.order_by(is_reversed=False) for key in keys))


def get_page(
    found: QuerySet[Any], query: TableQuery, order: Sequence[SortKey], *, count: int | None = None
) -> Page:
    """Return the requested page. NULL is last, and rows that are equal are sorted by primary key.

    `count` saves a query if the number of rows is known. An invalid cursor is ignored.
    """
    keys = _build_keys(found, order)
    count = found.count() if count is None else count
    found = found.annotate(**{key.name: key.expression for key in keys})
    rows = _get_rows(found, keys, query)
    cursors = [[getattr(row, key.name) for key in keys] for row in rows]
    before = 0
    if rows and (query.after or query.before):
        before = found.filter(_beyond(keys, cursors[0], is_after=False)).count()
    return Page.build(rows, cursors, count=count, before=before)


def encode_cursor(values: Sequence[Any]) -> str:
    """Return the sort values of a row as text for a URL."""
    texts = [v.isoformat() if isinstance(v, datetime) else v for v in values]
    data = json.dumps(texts, default=str, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode_cursor(text: str) -> list[Any] | None:
    """Return the values of a cursor as JSON has them, or None if it is invalid."""
    if not text or len(text) > MAX_CURSOR:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        is_text = [value.encode() for value in values if isinstance(value, str)]
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return None
    known = isinstance(values, list) and all(isinstance(v, str | int | None) for v in values)
    return values if known and not any(b"\0" in value for value in is_text) else None


def _get_rows(found: QuerySet[Any], keys: list[_Key], query: TableQuery) -> list[Any]:
    """Return the rows of a page, or of the nearest page if there are no more rows."""
    forward = [key.order_by(is_reversed=False) for key in keys]
    backward = [key.order_by(is_reversed=True) for key in keys]
    if (values := _read_cursor(found, keys, query.before)) is not None:
        rows = found.filter(_beyond(keys, values, is_after=False)).order_by(*backward)[: query.size]
        if len(rows) == query.size:
            return list(reversed(rows))
    elif (values := _read_cursor(found, keys, query.after)) is not None:
        rows = found.filter(_beyond(keys, values, is_after=True)).order_by(*forward)[: query.size]
        return list(rows) or list(reversed(found.order_by(*backward)[: query.size]))
    return list(found.order_by(*forward)[: query.size])


def _beyond(keys: list[_Key], values: Sequence[Any], *, is_after: bool) -> Q:
    """Return the condition for the rows after a row with these values, or before it."""
    condition, equal = Q(pk__in=()), Q()
    for key, value in zip(keys, values, strict=True):
        condition |= equal & key.beyond(value, is_after=is_after)
        equal &= key.equal(value)
    # It follows from the rest. With it, the database can use an index of the first key.
    return keys[0].beyond(values[0], is_after=is_after, or_equal=True) & condition


def _read_cursor(found: QuerySet[Any], keys: list[_Key], text: str) -> list[Any] | None:
    """Return the values of a cursor with the types of the keys, or None if it does not match."""
    values = decode_cursor(text)
    if values is None or len(values) != len(keys):
        return None
    fields = [found.query.annotations[key.name].output_field for key in keys]
    try:
        return [
            None if value is None else field.to_python(value)
            for field, value in zip(fields, values, strict=True)
        ]
    except (ValidationError, TypeError, ValueError):
        return None


def _build_keys(found: QuerySet[Any], order: Sequence[SortKey]) -> list[_Key]:
    own_key = found.model._meta.pk.name
    names = {key.removeprefix("-") for key in order if isinstance(key, str)}
    complete = order if names & {"pk", own_key} else (*order, "pk")
    keys = []
    for number, item in enumerate(complete):
        path = item.removeprefix("-") if isinstance(item, str) else ""
        keys.append(
            _Key(
                name=f"sort_key_{number}",
                expression=F(path) if path else item,
                is_descending=isinstance(item, str) and item.startswith("-"),
                is_nullable=bool(path) and _is_nullable(found.model, path),
            )
        )
    return keys


def _is_nullable(model: type[Model], path: str) -> bool:
    """Return False if a field, and all relations on the way to it, cannot be NULL."""
    for part in path.split("__"):
        if part == "pk":
            continue
        try:
            field: Any = model._meta.get_field(part)
        except FieldDoesNotExist:
            return True
        if getattr(field, "null", True):
            return True
        model = field.related_model or model
    return False
