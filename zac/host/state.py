"""State of each update on this host, in state.json, which is replaced as a whole.

The names in the file and the values of steps are those of earlier agents, so their files can be
loaded (see Record.json_names).
"""

from __future__ import annotations

import base64
import contextlib
import os
from typing import Callable, ClassVar, Dict, List, Optional, Tuple

from wire import json_codec
from wire.envelope import Envelope
from wire.messages import AuditCheckpoint, StatusReport
from wire.metadata import ActivationOrder, Manifest, Retirement
from wire.records import Record, field, replace
from wire.update_messages import CsrParameters
from zac.host import files
from zac.host.locks import StateLock

OFFERED = "offered"
DOWNLOADED = "downloaded"
STAGED = "staged"
AWAITING_CERTIFICATE = "certificate"
CERTIFIED = "rehearsed"
READY = "armed"
SWITCHING = "swapping"
VERIFYING = "proving"
ACTIVATED = "activated"
CONFIRMED = "confirmed"
CANCELED = "canceled"
ROLLED_BACK = "rolled-back"
IGNORED = "ignored"
CLOSED = (CONFIRMED, CANCELED, ROLLED_BACK, IGNORED)
BEFORE_SWITCH = (OFFERED, DOWNLOADED, STAGED, AWAITING_CERTIFICATE, CERTIFIED, READY)
AFTER_SWITCH = (SWITCHING, VERIFYING, ACTIVATED, CONFIRMED)

MAX_REPORTS = 200
MAX_UPDATES = 20
MAX_REJECTED_DOCUMENTS = 10


class UpdateRecord(Record):
    """One update on this host.

    `envelope` is the verified manifest. `csr_generation` is the generation of the last submitted
    CSR (-1 for none), `submitted_digest` the digest of the files in the remint repository that were
    used last, and `repository_fault` what is wrong with them. `previous_generation` is the trust
    store generation to return to, `generation_without_cross` the one before the cross-certificate
    was added. `attempt` only increases; `failures` counts since the last redeployment.
    `has_checked_stacks`: the results of the TLS stacks of this host were reported.
    """

    json_names: ClassVar[Dict[str, str]] = {
        "reported_state": "word",
        "retry_at": "try_at",
        "csr_generation": "sent",
        "submitted_digest": "handed",
        "csr_parameters": "order",
        "activation_order": "go",
        "previous_generation": "before",
        "generation_without_cross": "bare",
        "preflight_results": "rehearsed",
        "received_at": "since",
    }

    id: str
    envelope: Envelope
    revision: int
    step: str = OFFERED
    reported_state: str = ""
    attempt: int = 1
    failures: int = 0
    failure: str = ""
    retry_at: float = 0.0
    csr_generation: int = -1
    submitted_digest: str = ""
    repository_fault: str = ""
    csr_parameters: Optional[CsrParameters] = None
    activation_order: Optional[ActivationOrder] = None
    previous_generation: str = ""
    generation_without_cross: str = ""
    preflight_results: Dict[str, str] = field(default_factory=dict)
    has_checked_stacks: bool = False
    received_at: float = 0.0

    def manifest(self) -> Manifest:
        """Return the manifest, which was verified before it was stored."""
        return json_codec.load(Manifest, base64.b64decode(self.envelope.payload))

    @property
    def is_open(self) -> bool:
        """Return True if the update has steps left."""
        return self.step not in CLOSED

    def activates_at(self) -> float:
        """Return the activation time in zone time, 0 for immediate activation."""
        manifest = self.manifest()
        return 0.0 if manifest.immediate else float(manifest.activate_at)


class Report(Record):
    """A status report that the console has not received yet."""

    update: str
    status: StatusReport


class State(Record):
    """Contents of state.json. `epoch` is that of the last CA that this host has activated."""

    json_names: ClassVar[Dict[str, str]] = {
        "retirements": "retire",
        "initial_csr_generation": "first_sent",
        "rejected_documents": "distrusted",
    }

    epoch: int = 0
    updates: Dict[str, UpdateRecord] = field(default_factory=dict)
    reports: List[Report] = field(default_factory=list)
    canceled: Dict[str, int] = field(default_factory=dict)
    retirements: List[Retirement] = field(default_factory=list)
    initial_csr_generation: int = -1
    rejected_documents: List[str] = field(default_factory=list)
    audit_checkpoint: Optional[AuditCheckpoint] = None


class StateFile:
    """Access to state.json for the network loop and the activation thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = StateLock(path + ".lock")
        self._cached: Tuple[Tuple[int, int, int], State] = ((0, 0, 0), State())

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Lock the state for a few file operations; never hold the lock during a network call."""
        return self._lock.held()

    def load(self) -> State:
        """Return the state; the file is read only if it was replaced."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return State()
        version = (status.st_mtime_ns, status.st_ino, status.st_size)
        if self._cached[0] != version:
            self._cached = (version, json_codec.load(State, files.read(self._path) or b"{}"))
        return self._cached[1]

    def update(self, change: Callable[[State], State]) -> State:
        """Replace the state with the result of `change`, and return it."""
        with self.locked():
            before = self.load()
            after = change(before)
            if after != before:
                files.write(self._path, json_codec.dump(after))
            return after

    def get(self, update: str) -> Optional[UpdateRecord]:
        """Return the record of an update, None if there is none."""
        return self.load().updates.get(update)

    def put(self, record: UpdateRecord) -> None:
        """Store the record of one update."""
        self.update(lambda state: _with_record(state, record))

    def edit(self, update: str, change: Callable[[UpdateRecord], UpdateRecord]) -> None:
        """Replace the record of an update, if it exists, with the result of `change`."""

        def apply(state: State) -> State:
            record = state.updates.get(update)
            return state if record is None else _with_record(state, change(record))

        self.update(apply)

    def transition(
        self, update: str, step: str, next_step: str, report: Optional[StatusReport] = None
    ) -> bool:
        """Move an update to its next step and queue the report; False if it is at another step."""
        moved = []

        def apply(state: State) -> State:
            record = state.updates.get(update)
            if record is None or record.step != step:
                return state
            moved.append(True)
            reported = report.state if report else record.reported_state
            state = _with_record(state, replace(record, step=next_step, reported_state=reported))
            return state if report is None else with_report(state, Report(update, report))

        self.update(apply)
        return bool(moved)


def with_report(state: State, report: Report) -> State:
    """Return the state with one more report to send, without the oldest ones over the limit."""
    reports = [*state.reports, report][-MAX_REPORTS:]
    return replace(state, reports=reports)


def after_refresh(state: State, checkpoint: Optional[AuditCheckpoint]) -> State:
    """Return the state after the console has received the rejected documents.

    The newest checkpoint of the audit log is kept, so that the console can compare its log.
    """
    if checkpoint is None or not checkpoint.is_newer_than(state.audit_checkpoint):
        checkpoint = state.audit_checkpoint
    return replace(state, rejected_documents=[], audit_checkpoint=checkpoint)


def with_rejected_document(state: State, reason: str) -> State:
    """Return the state with one more reason to report, unless it is listed already."""
    if reason in state.rejected_documents:
        return state
    reasons = [*state.rejected_documents, reason][-MAX_REJECTED_DOCUMENTS:]
    return replace(state, rejected_documents=reasons)


def _with_record(state: State, record: UpdateRecord) -> State:
    updates = {**state.updates, record.id: record}
    closed = [name for name, other in updates.items() if not other.is_open and name != record.id]
    for update in closed[: max(0, len(updates) - MAX_UPDATES)]:
        del updates[update]
    return replace(state, updates=updates)
