"""How an operation stands: five stages, what blocks it, and a mark that tells news."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.authority import gates
from certificates.models import Operation
from certificates.operations import preparation, rollback
from certificates.operations.activation import lacking
from certificates.operations.states import OperationState
from certificates.progress.counts import Counts
from certificates.trust import stragglers
from console.pages import formatting
from devices.models import Device, Zone
from systemupdates.content.replica_status import Row

State = OperationState
# How many of the five stages lie behind an operation in each state.
STAGES_DONE = {
    State.PROPOSED: 0,
    State.PREPARING: 0,
    State.FAILED: 0,
    State.REPLICATING: 1,
    State.ASSIGNED: 3,
    State.BLOCKED: 3,
    State.ACTIVATING: 4,
    State.ACTIVATED: 5,
    State.COMPLETED: 5,
}
# While one of these holds, the page asks for news.
LIVE = (*STAGES_DONE, State.CANCELLING, State.CANCEL_FAILED, State.ROLLING_BACK)
AT_REST = (State.COMPLETED, State.CANCELLED, State.ROLLED_BACK)


@dataclass(frozen=True)
class Stage:
    """One of the five stages. `share` is (done, of) where it is counted."""

    number: int
    name: str
    note: str = ""
    mark: str = ""
    share: tuple[int, int] | None = None


@dataclass
class Progress:
    """An operation as the page shows it."""

    operation: Operation
    counts: Counts
    stages: list[Stage]
    assign: gates.Gate | None
    cancel: gates.Gate | None
    until: str
    lacking: list[Device] = field(default_factory=list)
    """The servers that hold the go back (D-26)."""
    awaited: list[Row] = field(default_factory=list)
    """The content servers that the assignment waits for (D-35)."""
    activation: gates.Gate | None = None
    force: gates.Gate | None = None
    roll_back: gates.Gate | None = None
    is_bridge_lost: bool = False
    """The bridge waits for a certificate server that is not heard of."""
    outstanding: int = 0
    """How many devices have yet to go back (B-5)."""

    @property
    def headline(self) -> str:
        """Return the first sentence of the message (D-6)."""
        text = headline(self.operation, self.counts, len(self.lacking))
        if not self.outstanding:
            return text
        n = self.outstanding
        left = ngettext("%(n)d device has yet to go back.", "%(n)d devices have yet to go back.", n)
        return f"{text} {left % {'n': n}}"

    @property
    def is_live(self) -> bool:
        """Tell whether the page should go on asking."""
        return self.operation.state in LIVE and self.operation.state not in AT_REST

    @property
    def goes_back(self) -> bool:
        """Tell whether it is rolled back, so that its stages lie behind it."""
        return self.operation.state in (State.ROLLING_BACK, State.ROLLED_BACK)

    @property
    def tone(self) -> str:
        """Return how the message looks: busy, good or bad."""
        if self.operation.state in (State.BLOCKED, State.CANCEL_FAILED, State.FAILED):
            return "bad"
        holding = (State.ACTIVATED, State.PROPOSED)
        is_held = self.operation.state in holding or self.operation.is_held
        return "warn" if is_held else "busy"


def progress(operation: Operation, counts: Counts, zone: Zone, now: datetime) -> Progress:
    """Return an operation as the page shows it."""
    shown = Progress(
        operation=operation,
        counts=counts,
        stages=stages(operation, counts),
        assign=gates.assign_gate(operation),
        cancel=gates.cancel_gate(operation, zone, now),
        until=gates.cancel_until(operation, zone, now),
        activation=gates.activation_gate(operation, zone, now),
        force=gates.force_gate(operation),
    )
    _look_closer(shown, zone, now)
    return shown


def _look_closer(shown: Progress, zone: Zone, now: datetime) -> None:
    """Add what only some states have, and what each costs a look at other rows."""
    operation = shown.operation
    if operation.state == State.BLOCKED:
        shown.lacking = lacking(operation)
    elif operation.state == State.REPLICATING and operation.update is not None:
        shown.awaited = stragglers.for_content(operation.update, zone, now)
    elif operation.state == State.PREPARING:
        shown.is_bridge_lost = preparation.lost_bridge(operation, now, zone.refresh)
    elif operation.state in gates.CAN_ROLL_BACK and operation.changes_ca:
        why_not = rollback.why_not(operation, now=now)
        shown.roll_back = gates.rollback_gate(operation, why_not)
    elif operation.state in (State.ROLLING_BACK, State.ROLLED_BACK):
        shown.outstanding = rollback.outstanding(operation)


def stages(operation: Operation, counts: Counts) -> list[Stage]:
    """Return the five stages with their counts; a cancelled operation has none under way."""
    reached = STAGES_DONE.get(State(operation.state), _done_by_fact(operation))
    copied, applied = counts.copied(), counts.applied()
    assigned = operation.update is not None and operation.update.assigned_at is not None
    # A stage that was passed early (Assign Now, the activation time) goes on until its last one.
    whole = {2: copied[0] == copied[1], 4: applied[0] == applied[1]}
    drafts = (
        Stage(1, _("System update created"), _created_note(operation, reached)),
        Stage(2, _("Replicating content"), _("%d of %d servers") % copied, share=copied),
        Stage(3, _("Assign to devices"), _assign_note(operation, assigned=assigned)),
        Stage(
            4, _("Apply on devices"), _applied_note(applied), share=applied if assigned else None
        ),
        Stage(5, _("Activation"), _activation_note(operation)),
    )
    return [
        Stage(s.number, s.name, s.note, mark, s.share)
        for s in drafts
        for mark in [_mark(s.number, reached, operation, whole=whole.get(s.number, True))]
    ]


def _mark(number: int, reached: int, operation: Operation, *, whole: bool) -> str:
    if number <= reached and whole:
        return "done"
    waits = operation.state == State.PROPOSED or operation.state not in STAGES_DONE
    if number > reached + 1 or waits:
        return ""
    return "bad" if operation.state in (State.BLOCKED, State.FAILED) and number > reached else "now"


def _done_by_fact(operation: Operation) -> int:
    """Return how far an operation came whose state no longer tells it (a cancel)."""
    if operation.update is None:
        return 0
    return 3 if operation.update.assigned_at else 1


def _created_note(operation: Operation, reached: int) -> str:
    if operation.state == State.PROPOSED:
        return _("after the confirmation")
    return operation.name if reached else _("being created")


def _applied_note(applied: tuple[int, int]) -> str:
    return _("%d of %d") % applied if applied[1] else _("after assignment")


def _assign_note(operation: Operation, *, assigned: bool) -> str:
    if not assigned or operation.update is None:
        return _("automatic after replication")
    return _("by hand") if operation.update.assigned_by_hand else _("automatically")


def _activation_note(operation: Operation) -> str:
    moment = operation.activated_at or operation.activates_at
    if moment is not None:
        return formatting.stamp(moment)
    return _("Immediate")


def headline(operation: Operation, counts: Counts, without: int = 0) -> str:
    """Return what is going on in one sentence; the first one is the manual's (R139)."""
    kind = operation.get_kind_display()
    done, total = counts.activated()
    outstanding = total - done
    blocked = ngettext(
        "Blocked: %(n)d server has no new certificate.",
        "Blocked: %(n)d servers have no new certificate.",
        without,
    ) % {"n": without}
    if not without:
        blocked = _("Blocked: the %s operation is held back.") % kind
    texts = {
        State.PROPOSED: _("The %s operation waits for a second administrator.") % kind,
        State.BLOCKED: blocked,
        State.FAILED: _("The %s operation could not go on.") % kind,
        State.CANCELLING: _("The %s operation is being cancelled.") % kind,
        State.CANCEL_FAILED: _("The %s operation could not be cancelled.") % kind,
        State.CANCELLED: _("The %s operation has been cancelled.") % kind,
        State.ROLLING_BACK: _("The %s operation is being rolled back.") % kind,
        State.ROLLED_BACK: _("The %s operation has been rolled back.") % kind,
        State.COMPLETED: _("The %s operation is completed.") % kind,
        State.ACTIVATED: ngettext(
            "Activated, %(n)d device outstanding.",
            "Activated, %(n)d devices outstanding.",
            outstanding,
        )
        % {"n": outstanding},
    }
    initiated = _("The %s operation has been initiated.") % kind
    return str(texts.get(OperationState(operation.state), initiated))


def mark(shown: list[Progress], *more: object) -> str:
    """Return a text that changes when the page would: states, what servers show, everything.

    Its three parts are joined by dots, so that a poll can tell what is new.
    """
    states = "-".join(p.operation.state for p in shown) or "idle"
    servers = digest([(p.counts.futures, p.counts.servers) for p in shown])
    rest = digest(
        [
            (p.counts, p.operation.reason, p.operation.activates_at, p.assign, p.cancel, p.until)
            for p in shown
        ],
        [
            (
                _names(p.awaited),
                p.lacking,
                p.activation,
                p.force,
                p.roll_back,
                p.is_bridge_lost,
                p.outstanding,
            )
            for p in shown
        ],
        more,
    )
    return f"{states}.{servers}.{rest}"


def _names(awaited: list[Row]) -> list[tuple[str, str]]:
    return [(row.replica.server.name, row.label) for row in awaited]


def digest(*things: object) -> str:
    """Return a short text that changes with what is shown."""
    return hashlib.sha256(repr(things).encode()).hexdigest()[:12]
