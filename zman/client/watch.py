"""Follow an operation or a CA key operation until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from faults import Unavailable
from zman.cli.exit_codes import Failed
from zman.cli.output import Output, format_time
from zman.client.client import Console

POLL_SECONDS = 2.0
JOB_POLL_SECONDS = 0.5
# Servers restart while they change their certificates.
MAX_UNAVAILABLE_SECONDS = 180.0
# An administrator must act before an operation leaves one of these states.
STUCK = ("blocked", "failed", "cancel-failed", "canceled", "rolled-back")
ENDS = {
    "completed": ("completed",),
    "activated": ("activated", "completed"),
    "assigned": ("assigned", "activating", "activated", "completed"),
    "canceled": ("canceled",),
    "rolled-back": ("rolled-back",),
}
CHANGING = ("state", "headline", "counts", "hosts", "reason", "activates_at")


def watch_operation(api: Console, out: Output, operation_id: str, until: str) -> dict[str, Any]:
    """Return an operation when its state is in ENDS[until]. Raises Failed if it stops before."""
    with _ProgressView(out) as view:
        before: dict[str, Any] = {}
        while True:
            operation = _get_patiently(api, f"operations/{operation_id}")
            if any(operation.get(name) != before.get(name) for name in CHANGING):
                view.show(operation)
            before = operation
            if operation["state"] in ENDS[until]:
                return operation
            if operation["state"] in STUCK:
                raise Failed(
                    f"Operation status: {operation['state']}. {operation['reason']}".strip(),
                    action=operation["action"],
                )
            time.sleep(POLL_SECONDS)


def watch_job(api: Console, out: Output, job: dict[str, Any]) -> dict[str, Any]:
    """Return a CA key operation when it is done. Raises Failed if it ends otherwise."""
    out.say("Waiting for the certificate server to respond.")
    while job["state"] == "waiting":
        time.sleep(JOB_POLL_SECONDS)
        job = _get_patiently(api, f"jobs/{job['id']}")
    if job["state"] != "done":
        raise Failed(
            job["reason"] or "The server did not respond in time. Nothing was changed.",
            action=job["action"],
        )
    return job


def _get_patiently(api: Console, path: str) -> dict[str, Any]:
    """Return a resource. Retry while the console is unavailable, for three minutes at most."""
    end = time.monotonic() + MAX_UNAVAILABLE_SECONDS
    while True:
        with suppress(Unavailable):
            found: dict[str, Any] = api.get(path)
            return found
        if time.monotonic() > end:
            raise Unavailable("The console has not responded for three minutes.")
        time.sleep(POLL_SECONDS)


class _ProgressView:
    """Shows an operation: bars on a terminal, else one line for each change."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._line = ""
        self._tasks: dict[int, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=out.messages,
            disable=not out.has_progress_bars,
        )
        self.show: Callable[[dict[str, Any]], None] = (
            out.event
            if out.is_stream
            else self._show_bars
            if out.has_progress_bars
            else self._show_line
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _show_line(self, operation: dict[str, Any]) -> None:
        line = " ".join((f"{operation['state']}: {operation['headline']}", *_describe(operation)))
        if line != self._line:
            self._out.say(line)
        self._line = line

    def _show_bars(self, operation: dict[str, Any]) -> None:
        for stage in operation["stages"]:
            number = stage["number"]
            if number not in self._tasks:
                self._tasks[number] = self._progress.add_task(
                    stage["name"], total=None, note="", start=False
                )
            self._update_bar(self._tasks[number], stage)

    def _update_bar(self, task: TaskID, stage: dict[str, Any]) -> None:
        completed, total = stage["share"] or (0, 1)
        total = max(total, 1)
        is_done = stage["mark"] == "done"
        if stage["mark"]:
            self._progress.start_task(task)
        self._progress.update(
            task, completed=total if is_done else completed, total=total, note=stage["note"]
        )
        if is_done:
            self._progress.stop_task(task)


def _describe(operation: dict[str, Any]) -> Iterator[str]:
    """Yield the stages that are in progress with their counts, and the activation time."""
    for stage in operation["stages"]:
        if stage["mark"] == "now" and stage["note"]:
            yield f"{stage['name']}: {stage['note']}."
    at_risk = operation.get("hosts", {}).get("at_risk")
    if at_risk:
        yield f"Hosts without an agent at risk: {at_risk}."
    if operation["activates_at"] and not operation["activated_at"]:
        yield f"Activation: {format_time(operation['activates_at'])}."
