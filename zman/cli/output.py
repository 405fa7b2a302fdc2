"""Write results to stdout in one of several formats, and messages to stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml
from rich.console import Console as Screen
from rich.table import Table
from rich.text import Text

from faults import Fault, Invalid

FORMATS = ("table", "wide", "json", "yaml", "csv", "name")
FOR_PROGRAMS = FORMATS[2:]
STYLES = {
    **dict.fromkeys(("active", "activated", "available", "completed", "current", "done"), "green"),
    **dict.fromkeys(("failed", "blocked", "expired", "cancel-failed", "needs-crt"), "red"),
}
GAP = "  "
# A column of a table on a terminal is never narrower than this.
MIN_WIDTH = 4
NAME_FIELDS = ("name", "label", "title", "id", "seq")
Row = Mapping[str, Any]
Columns = Mapping[str, str]


class Output:
    """Writes results to stdout in one format, and messages to stderr.

    Messages are written only for people: not when the format is one for programs.
    """

    def __init__(self, format_name: str = "table") -> None:
        self.format = format_name
        self.screen = Screen(highlight=False)
        self.messages = Screen(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    @property
    def is_for_programs(self) -> bool:
        """True if the format is one for programs."""
        return self.format in FOR_PROGRAMS

    @property
    def is_stream(self) -> bool:
        """True if every change of an operation is written to stdout."""
        return self.format in ("json", "yaml")

    @property
    def has_progress_bars(self) -> bool:
        """True if progress is shown as bars on a terminal."""
        return self.messages.is_terminal and not self.is_for_programs

    def rows(
        self, rows: Iterable[Row], columns: Columns, wide: Columns | None = None, name: str = "name"
    ) -> None:
        """Write a list. `columns` maps headings to fields (a.b); `wide` are added with -o wide."""
        found = list(rows)
        if self.is_stream:
            self._document(found)
        elif self.format == "name":
            self._lines(str(_get(row, name)) for row in found)
        elif self.format == "csv":
            self._csv(found, [*columns.values(), *(wide or {}).values()], _get)
        else:
            self._table(found, {**columns, **(wide or {})} if self.format == "wide" else columns)
            if not found:
                self.say("No results.")

    def record(self, value: Row, name: str = "") -> None:
        """Write one resource with all its fields."""
        if self.is_for_programs:
            self._records([value], value, name)
        else:
            self._fields(value)

    def result(self, value: Row | list[Row], message: str, name: str = "") -> None:
        """Write what a command has changed: the resources for programs, a message for people.

        `name` is the field that is printed with -o name.
        """
        if self.is_for_programs:
            self._records(value if isinstance(value, list) else [value], value, name)
        else:
            self.say(message)

    def _records(self, records: Sequence[Row], document: Any, name: str) -> None:
        if self.is_stream:
            self._document(document)
        elif self.format == "name":
            fields = [name] if name else NAME_FIELDS
            found = [next((row[field] for field in fields if field in row), "") for row in records]
            self._lines(str(item) for value in found for item in _items(value))
        else:
            flat = [dict(_flatten(row)) for row in records]
            self._csv(flat, list(flat[0]) if flat else [], dict.__getitem__)

    def event(self, value: Any) -> None:
        """Write one item of a stream: a line of JSON, or a YAML document."""
        if self.format == "yaml":
            sys.stdout.write("---\n")
            self._document(value)
        else:
            self._lines([json.dumps(value, ensure_ascii=False)])
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """Write text to stdout as it is."""
        sys.stdout.write(text)

    def _document(self, value: Any) -> None:
        if self.format == "yaml":
            yaml.safe_dump(value, sys.stdout, sort_keys=False, allow_unicode=True)
        else:
            self._lines([json.dumps(value, indent=2, ensure_ascii=False)])

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            sys.stdout.write(f"{_printable(line)}\n")

    def _csv(
        self, rows: Iterable[Any], fields: Sequence[str], get: Callable[[Any, str], Any]
    ) -> None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(fields)
        for row in rows:
            writer.writerow([_csv_cell(get(row, field)) for field in fields])

    def _table(self, rows: Sequence[Row], columns: Columns) -> None:
        """Write a table: full values to a pipe, cut to the width of a terminal."""
        lines = [[Text(heading, style="bold") for heading in columns]]
        lines += [[_cell(_get(row, field)) for field in columns.values()] for row in rows]
        widths = [max(text.cell_len for text in column) for column in zip(*lines, strict=True)]
        if self.screen.is_terminal:
            _shrink(widths, self.screen.width - len(GAP) * (len(widths) - 1))
        for line in lines:
            for text, width in zip(line, widths, strict=True):
                text.truncate(width, overflow="ellipsis", pad=True)
            joined = Text(GAP).join(line)
            joined.rstrip()
            self.screen.print(joined, soft_wrap=True)

    def _fields(self, value: Row) -> None:
        fields = [(name, _items(inside)) for name, inside in _flatten(value)]
        if self.screen.is_terminal:
            table = Table(box=None, pad_edge=False, show_header=False)
            table.add_column(style="bold")
            table.add_column(overflow="fold")
            for name, items in fields:
                table.add_row(name, Text("\n").join(items))
            self.screen.print(table)
            return
        width = max((len(name) for name, _items_ in fields), default=0)
        for name, items in fields:
            for number, item in enumerate(items or [Text("")]):
                label = "" if number else name
                self._lines([f"{label:{width}}{GAP}{item}".rstrip()])

    def say(self, text: str) -> None:
        """Write a message for people to stderr."""
        if not self.is_for_programs:
            self.messages.print(_printable(text), markup=False)

    def fault(self, fault: Fault) -> None:
        """Write what went wrong and what to do to stderr; as JSON if that is the format."""
        if self.format == "json":
            problem = {
                "kind": fault.kind.value,
                "detail": fault.explanation,
                "action": fault.action,
                "field": fault.field,
            }
            sys.stderr.write(json.dumps(problem, ensure_ascii=False) + "\n")
            return
        self.messages.print(Text("zman: ", style="bold red") + Text(_printable(fault.explanation)))
        if fault.action:
            self.messages.print(Text(_printable(fault.action)))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask for confirmation unless `yes`. Raises Fault if it is not given."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise Invalid(
                f"{question} Confirmation is required, but the terminal is not interactive.",
                action="To skip confirmation, use --yes.",
            )
        self.messages.print(f"{_printable(question)} [y/N] ", end="", markup=False)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Fault("Not confirmed. Nothing was changed.")


def _get(row: Row, field: str) -> Any:
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _flatten(value: Row, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, inside in value.items():
        if isinstance(inside, Mapping) and inside:
            yield from _flatten(inside, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inside


def _items(value: Any) -> list[Text]:
    """Return the lines of one field: one for each item of a list."""
    return [_cell(item) for item in value] if isinstance(value, list) else [_cell(value)]


def _cell(value: Any) -> Text:
    if isinstance(value, list):
        return Text(", ".join(str(_cell(item)) for item in value))
    if isinstance(value, Mapping):
        return Text(", ".join(f"{name}: {_cell(inside)}" for name, inside in value.items()))
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    text = _printable(str(value)).replace("\n", " ")
    return Text(format_time(text), style=STYLES.get(text, ""))


def _csv_cell(value: Any) -> str:
    """Return a value for a CSV file: text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_csv_cell(item) for item in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    text = "" if value is None else _printable(str(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@")) else text


def _shrink(widths: list[int], total: int) -> None:
    """Reduce the widest columns until all fit into `total`."""
    while sum(widths) > total and max(widths) > MIN_WIDTH:
        widths[widths.index(max(widths))] -= 1


def _printable(text: str) -> str:
    """Return text without control characters: names can come from certificates of others."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def format_time(text: str) -> str:
    """Return an ISO 8601 time in the time zone of this host, and any other text unchanged."""
    if "T" not in text or not text[:1].isdigit():
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
