"""What is shown: tables for people, JSON for programs, progress only where somebody watches."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console as Screen
from rich.table import Table
from rich.text import Text

from faults import Fault, Invalid

TONES = {
    **dict.fromkeys(("active", "activated", "available", "completed", "current", "done"), "green"),
    **dict.fromkeys(("failed", "blocked", "expired", "cancel-failed", "needs-crt"), "red"),
}


class Output:
    """Where results go (stdout) and what is said about the way there (stderr)."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.screen = Screen(highlight=False, soft_wrap=not sys.stdout.isatty())
        self.aside = Screen(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    @property
    def is_watched(self) -> bool:
        """Whether a person sees the progress."""
        return self.aside.is_terminal and not self.as_json

    def data(self, value: Any) -> None:
        """Print a value as JSON: one document for a whole, one line for a part."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def line(self, value: Any) -> None:
        """Print one event of a stream as a line of JSON."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def table(self, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        """Print rows; `columns` tells for each heading where its value is (a.b)."""
        found = list(rows)
        if self.as_json:
            self.data(found)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in columns:
            table.add_column(heading, overflow="fold")
        for row in found:
            table.add_row(*(_cell(_inside(row, path)) for path in columns.values()))
        self.screen.print(table)
        if not found:
            self.say("Nothing was found.")

    def facts(self, value: Mapping[str, Any]) -> None:
        """Print one thing with everything that is known of it."""
        if self.as_json:
            self.data(value)
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, inside in _flat(value):
            table.add_row(name, _cell(inside))
        self.screen.print(table)

    def say(self, text: str) -> None:
        """Tell a person something; a program reads the result instead."""
        if not self.as_json:
            self.aside.print(text, markup=False)

    def fault(self, fault: Fault) -> None:
        """Tell what went wrong and what to do."""
        if self.as_json:
            told = {
                "kind": fault.kind.value,
                "detail": fault.explanation,
                "action": fault.action,
                "field": fault.field,
            }
            sys.stderr.write(json.dumps(told, ensure_ascii=False) + "\n")
            return
        self.aside.print(Text("zman: ", style="bold red") + Text(_plain(fault.explanation)))
        if fault.action:
            self.aside.print(Text(_plain(fault.action)))

    def confirm(self, text: str, *, yes: bool) -> None:
        """Have a person confirm; without one the option --yes is needed."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise Invalid(f"{text} Nobody is here to confirm it.", action="Give --yes to do it.")
        self.aside.print(f"{text} [y/N] ", end="", markup=False)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Fault("It was not confirmed. Nothing was changed.")


def _inside(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _flat(value: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, inside in value.items():
        if isinstance(inside, Mapping) and inside:
            yield from _flat(inside, f"{before}{name}.")
        else:
            yield f"{before}{name}", inside


def _cell(value: Any) -> Text:
    if isinstance(value, list):
        return Text("\n".join(str(_cell(one)) for one in value))
    if isinstance(value, Mapping):
        return Text(", ".join(f"{name}: {_cell(inside)}" for name, inside in value.items()))
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    text = _plain(str(value))
    return Text(_local(text), style=TONES.get(text, ""))


def _plain(text: str) -> str:
    """Return a text that moves no cursor: names come from certificates of others."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def _local(text: str) -> str:
    """Return a time as this host's time with its offset, anything else as it is."""
    if "T" not in text or not text[:1].isdigit():
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
