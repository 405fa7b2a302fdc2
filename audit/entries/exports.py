"""The audit log as a CSV or JSON file, with every value that the digests cover."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from audit.entries.subjects import EntryRow, build_rows
from audit.entries.tables import iterate
from audit.models import Entry
from console.pages.downloads import StreamedDownload, stream_csv, stream_text

FIELD_NAMES = [field.name for field in Entry._meta.concrete_fields]
SENTENCE = "sentence"


def export_csv(found: QuerySet[Entry]) -> StreamedDownload:
    """Return the entries as CSV, newest first."""
    rows = ([_format_cell(value) for value in row.values()] for row in _list_rows(found))
    return stream_csv(_get_file_name("csv"), [*FIELD_NAMES, SENTENCE], rows)


def export_json(found: QuerySet[Entry]) -> StreamedDownload:
    """Return the entries as JSON, newest first."""
    return stream_text(_get_file_name("json"), _write_json(found), "application/json")


EXPORTS = {"csv": export_csv, "json": export_json}


def describe(row: EntryRow) -> dict[str, Any]:
    """Return the fields of an entry as JSON values, and its sentence.

    Times are in UTC with microseconds, as the digest covers them.
    """
    values = {name: getattr(row.entry, name) for name in FIELD_NAMES}
    return {**values, "at": _format_time(row.entry.at), SENTENCE: row.sentence}


def _list_rows(found: QuerySet[Entry]) -> Iterator[dict[str, Any]]:
    for chunk in iterate(found):
        yield from (describe(row) for row in build_rows(chunk))


def _write_json(found: QuerySet[Entry]) -> Iterator[str]:
    separator = '{"entries": [\n'
    for row in _list_rows(found):
        yield separator + json.dumps(row, ensure_ascii=False)
        separator = ",\n"
    yield "\n]}\n" if separator.startswith(",") else '{"entries": []}\n'


def _get_file_name(ending: str) -> str:
    return f"audit_{timezone.now():%Y-%m-%d}.{ending}"


def _format_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _format_cell(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value
