"""Follow an operation or a job to its end: bars for a person, lines for a program."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from faults import Unavailable
from zman.cli.exit_codes import Failed
from zman.cli.output import Output
from zman.client.client import Console

EVERY_SECONDS = 2.0
JOB_EVERY_SECONDS = 0.5
# What an operation does not leave by itself, so that waiting on is of no use.
STUCK = ("blocked", "failed", "cancel-failed", "cancelled", "rolled-back")
ENDS = {
    "completed": ("completed",),
    "activated": ("activated", "completed"),
    "assigned": ("assigned", "activating", "activated", "completed"),
    "cancelled": ("cancelled",),
    "rolled-back": ("rolled-back",),
}
# Devices fetch the new trust meanwhile; servers change their certificates.
SILENT_AT_MOST = 180.0


def operation(api: Console, out: Output, key: str, until: str) -> dict[str, Any]:
    """Follow an operation until it is where it shall be; raises Failed when it ends elsewhere."""
    with _Bars(out) as bars:
        seen: dict[str, Any] = {}
        while True:
            told = _patiently(api, f"operations/{key}")
            if _news(told) != _news(seen):
                bars.show(told)
            seen = told
            if told["state"] in ENDS[until]:
                return told
            if told["state"] in STUCK:
                raise Failed(
                    f"The operation is {told['state']}. {told['reason']}".strip(),
                    action=told["action"],
                )
            time.sleep(EVERY_SECONDS)


def job(api: Console, out: Output, told: dict[str, Any]) -> dict[str, Any]:
    """Wait until the server that holds the key has done a job."""
    out.say("The server that holds the CA key was asked. Waiting for its answer.")
    while told["state"] == "waiting":
        time.sleep(JOB_EVERY_SECONDS)
        told = _patiently(api, f"jobs/{told['id']}")
    if told["state"] != "done":
        raise Failed(
            told["reason"] or "The server did not answer in time. Nothing was changed.",
            action=told["action"],
        )
    return told


def _patiently(api: Console, path: str) -> dict[str, Any]:
    """Ask again where a server does not answer: in a change it may be away for a moment."""
    end = time.monotonic() + SILENT_AT_MOST
    while True:
        with suppress(Unavailable):
            found: dict[str, Any] = api.get(path)
            return found
        if time.monotonic() > end:
            raise Unavailable("The console has not answered for three minutes.")
        time.sleep(EVERY_SECONDS)


def _news(told: dict[str, Any]) -> Any:
    return [told.get(name) for name in ("state", "headline", "counts", "reason", "activates_at")]


class _Bars:
    """One bar for each stage; without a terminal a line for each change."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._tasks: dict[int, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=out.aside,
            disable=not out.is_watched,
        )
        self._show: Callable[[dict[str, Any]], None] = (
            out.line if out.as_json else self._bars if out.is_watched else self._line
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, told: dict[str, Any]) -> None:
        """Show how it stands now."""
        self._show(told)

    def _line(self, told: dict[str, Any]) -> None:
        self._out.say(f"{told['state']}: {told['headline']}")

    def _bars(self, told: dict[str, Any]) -> None:
        for stage in told["stages"]:
            number = stage["number"]
            if number not in self._tasks:
                self._tasks[number] = self._progress.add_task(
                    stage["name"], total=None, note="", start=False
                )
            self._bar(self._tasks[number], stage)

    def _bar(self, task: TaskID, stage: dict[str, Any]) -> None:
        done, total = stage["share"] or (0, 1)
        if stage["mark"] == "done":
            done = total = max(total, 1)
        if stage["mark"]:
            self._progress.start_task(task)
        note = stage["note"]
        total = max(total, 1)
        self._progress.update(task, completed=done, total=total, note=note)
        if stage["mark"] == "done":
            self._progress.stop_task(task)
