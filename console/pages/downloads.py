"""Downloads that are sent while they are read from the database, whatever their size."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from console.pages.tables import as_attachment, escape_formula

ROWS_A_PART = 500


class StreamedDownload(StreamingHttpResponse):
    """A streamed response that reads its parts one by one, also under ASGI.

    Django itself collects all parts of a synchronous iterator in memory before it sends the first.
    """

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the parts. Each is read in the thread of the request."""
        parts: Any = self.streaming_content
        while (part := await sync_to_async(_read_next)(parts)) is not None:
            yield part


def stream_csv(
    name: str, heading: Iterable[str], rows: Iterable[Iterable[Any]]
) -> StreamedDownload:
    """Return a CSV file. Cells that a spreadsheet would run as formulas are escaped."""
    response = StreamedDownload(_write_csv(heading, rows), content_type="text/csv; charset=utf-8")
    as_attachment(response, name)
    return response


def stream_text(name: str, parts: Iterable[str], content_type: str) -> StreamedDownload:
    """Return a text file from its parts."""
    response = StreamedDownload(parts, content_type=content_type)
    as_attachment(response, name)
    return response


class _Lines(list[str]):
    """The lines that a CSV writer has written since they were last taken."""

    write = list.append

    def take(self) -> str:
        """Return the text of the lines and remove them."""
        text = "".join(self)
        self.clear()
        return text


def _write_csv(heading: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    lines = _Lines(["\ufeff"])
    writer = csv.writer(lines)
    writer.writerow(heading)
    for row in rows:
        writer.writerow([escape_formula(cell) for cell in row])
        if len(lines) >= ROWS_A_PART:
            yield lines.take()
    yield lines.take()


def _read_next(parts: Iterator[bytes]) -> bytes | None:
    return next(parts, None)
