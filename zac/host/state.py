"""How far this host is with each update: one small file, replaced as a whole before any report."""

from __future__ import annotations

import base64
import contextlib
import os
from typing import Callable, Dict, List, Optional, Tuple

from wire import json_codec
from wire.envelope import Envelope
from wire.messages import CsrOrder, StatusReport
from wire.metadata import Go, Manifest, Retire
from wire.values import Value, field, replace
from zac.host import files
from zac.host.locks import Guard

OFFERED = "offered"
DOWNLOADED = "downloaded"
STAGED = "staged"
CERTIFICATE = "certificate"
REHEARSED = "rehearsed"
ARMED = "armed"
SWAPPING = "swapping"
PROVING = "proving"
ACTIVATED = "activated"
CONFIRMED = "confirmed"
CANCELED = "canceled"
ROLLED_BACK = "rolled-back"
IGNORED = "ignored"
CLOSED = (CONFIRMED, CANCELED, ROLLED_BACK, IGNORED)
BEFORE_SWAP = (OFFERED, DOWNLOADED, STAGED, CERTIFICATE, REHEARSED, ARMED)
AFTER_SWAP = (SWAPPING, PROVING, ACTIVATED, CONFIRMED)

REMEMBERED_REPORTS = 200
REMEMBERED_UPDATES = 20
REMEMBERED_DISTRUST = 10


class Record(Value):
    """One update on this host.

    `envelope` is the signed manifest, already verified. `sent` is the generation of the request
    last sent (-1: none), `handed` the digest of what was handed in by hand. `before` names the
    generation to go back to, `bare` the one without the bridge that was added when the server was
    armed. `attempt` only grows; `failures` counts since the last redeployment.
    """

    id: str
    envelope: Envelope
    revision: int
    step: str = OFFERED
    word: str = ""
    attempt: int = 1
    failures: int = 0
    failure: str = ""
    try_at: float = 0.0
    sent: int = -1
    handed: str = ""
    order: Optional[CsrOrder] = None
    go: Optional[Go] = None
    before: str = ""
    bare: str = ""
    rehearsed: Dict[str, str] = field(default_factory=dict)
    since: float = 0.0

    def manifest(self) -> Manifest:
        """Return the manifest; it was verified before it came here."""
        return json_codec.load(Manifest, base64.b64decode(self.envelope.payload))

    @property
    def open(self) -> bool:
        """Tell whether something is left to do."""
        return self.step not in CLOSED

    def activates_at(self) -> float:
        """Return when this host switches by zone time, 0 for at once."""
        manifest = self.manifest()
        return 0.0 if manifest.immediate else float(manifest.activate_at)


class Report(Value):
    """A report that has yet to reach the console."""

    update: str
    status: StatusReport


class State(Value):
    """Everything of state.json. `epoch` counts the CA changes this host has activated."""

    epoch: int = 0
    updates: Dict[str, Record] = field(default_factory=dict)
    reports: List[Report] = field(default_factory=list)
    canceled: Dict[str, int] = field(default_factory=dict)
    retire: List[Retire] = field(default_factory=list)
    first_sent: int = -1
    distrusted: List[str] = field(default_factory=list)


class StateFile:
    """The only door to state.json, for the network loop and the activation thread alike."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._guard = Guard(path + ".lock")
        self._seen: Tuple[Tuple[int, int, int], State] = ((0, 0, 0), State())

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Hold off every other change of state; for a few file operations, never for a call."""
        return self._guard.held()

    def load(self) -> State:
        """Return the state; read again only when the file was replaced."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return State()
        mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        if self._seen[0] != mark:
            self._seen = (mark, json_codec.load(State, files.read(self._path) or b"{}"))
        return self._seen[1]

    def change(self, edit: Callable[[State], State]) -> State:
        """Replace the state by what `edit` makes of it."""
        with self.held():
            before = self.load()
            after = edit(before)
            if after != before:
                files.write(self._path, json_codec.dump(after))
            return after

    def record(self, update: str) -> Optional[Record]:
        """Return what is known of one update."""
        return self.load().updates.get(update)

    def put(self, record: Record) -> None:
        """Store the record of one update."""
        self.change(lambda state: _with(state, record))

    def amend(self, update: str, edit: Callable[[Record], Record]) -> None:
        """Change the record of one update, if there is one."""

        def apply(state: State) -> State:
            record = state.updates.get(update)
            return state if record is None else _with(state, edit(record))

        self.change(apply)

    def move(
        self, update: str, here: str, there: str, report: Optional[StatusReport] = None
    ) -> bool:
        """Move an update from one step to the next, with its report; False if it is elsewhere."""
        moved = []

        def apply(state: State) -> State:
            record = state.updates.get(update)
            if record is None or record.step != here:
                return state
            moved.append(True)
            word = report.state if report else record.word
            state = _with(state, replace(record, step=there, word=word))
            return state if report is None else queued(state, Report(update, report))

        self.change(apply)
        return bool(moved)


def queued(state: State, report: Report) -> State:
    """Return the state with one more report to send; the oldest give way."""
    reports = [*state.reports, report][-REMEMBERED_REPORTS:]
    return replace(state, reports=reports)


def distrusting(state: State, why: str) -> State:
    """Return the state with one more document to tell of that was not believed; each once."""
    if why in state.distrusted:
        return state
    return replace(state, distrusted=[*state.distrusted, why][-REMEMBERED_DISTRUST:])


def _with(state: State, record: Record) -> State:
    updates = {**state.updates, record.id: record}
    closed = [name for name, known in updates.items() if not known.open and name != record.id]
    for name in closed[: max(0, len(updates) - REMEMBERED_UPDATES)]:
        del updates[name]
    return replace(state, updates=updates)
