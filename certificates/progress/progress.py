"""The progress of an operation: its five stages, what blocks it, and a revision for polling."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.authority import gates
from certificates.models import Operation
from certificates.operations import preparation, rollback
from certificates.operations.activation import get_blocking_servers
from certificates.operations.states import OperationState
from certificates.pilot.status import PilotStatus, get_status
from certificates.progress.counts import Counts
from certificates.progress.headline import build_headline
from certificates.trust import stragglers
from console.pages import formatting
from devices.models import Device, Zone
from systemupdates.content.replica_status import ReplicaRow

State = OperationState
# The number of completed stages in each state.
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
# States in which the page polls for changes.
LIVE = (*STAGES_DONE, State.CANCELING, State.CANCEL_FAILED, State.ROLLING_BACK)
ENDED = (State.COMPLETED, State.CANCELED, State.ROLLED_BACK)


@dataclass(frozen=True)
class Stage:
    """A stage. `mark` is done, now, bad, or "". `share` is (done, total)."""

    number: int
    name: str
    note: str = ""
    mark: str = ""
    share: tuple[int, int] | None = None
    steps: tuple[Stage, ...] = ()


@dataclass
class Progress:
    """An operation as the page shows it."""

    operation: Operation
    counts: Counts
    stages: list[Stage]
    assign: gates.Gate | None
    cancel: gates.Gate | None
    cancel_until: str
    freezes_at: datetime | None = None
    blocking_servers: list[Device] = field(default_factory=list)
    """The servers without a new certificate that block the activation (D-26)."""
    pending_replicas: list[ReplicaRow] = field(default_factory=list)
    """The content servers that block the assignment (D-35)."""
    activation: gates.Gate | None = None
    force: gates.Gate | None = None
    roll_back: gates.Gate | None = None
    is_certificate_server_lost: bool = False
    """The server that must sign the cross-certificate is offline."""
    outstanding: int = 0
    """The number of devices that still have to roll back."""
    pilot: PilotStatus | None = None
    """What the pilot group has reported, while the other devices wait for it (D-279)."""
    pilot_gate: gates.Gate | None = None

    @property
    def headline(self) -> str:
        """Return the first sentence of the message (D-6)."""
        text = build_headline(self.operation, self.counts, len(self.blocking_servers))
        if not self.outstanding:
            return text
        n = self.outstanding
        left = ngettext(
            "%(n)s device still has to roll back.", "%(n)s devices still have to roll back.", n
        )
        return f"{text} {left % {'n': intcomma(n)}}"

    @property
    def is_live(self) -> bool:
        """Return True if the page polls for changes."""
        return self.operation.state in LIVE and self.operation.state not in ENDED

    @property
    def has_stages(self) -> bool:
        """Return True if the stages are shown. They are not, after a cancellation or rollback."""
        return self.operation.state not in (State.ROLLING_BACK, State.ROLLED_BACK, State.CANCELED)

    @property
    def tone(self) -> str:
        """Return the style of the message: busy, warn, or bad."""
        if self.operation.state in (State.BLOCKED, State.CANCEL_FAILED, State.FAILED):
            return "bad"
        needs_attention = (State.ACTIVATED, State.PROPOSED)
        is_warning = self.operation.state in needs_attention or self.operation.can_be_forced
        return "warn" if is_warning else "busy"


def get_progress(operation: Operation, counts: Counts, zone: Zone, now: datetime) -> Progress:
    """Return the progress of an operation and the actions that are available."""
    shown = Progress(
        operation=operation,
        counts=counts,
        stages=get_stages(operation, counts),
        assign=gates.build_assign_gate(operation),
        cancel=gates.build_cancel_gate(operation, zone, now),
        cancel_until=gates.format_cancel_deadline(operation, zone, now),
        freezes_at=gates.get_cancel_deadline(operation, zone, now),
        activation=gates.build_activation_gate(operation, zone, now),
        force=gates.build_force_gate(operation),
        pilot_gate=gates.build_pilot_gate(operation),
    )
    _add_state_details(shown, zone, now)
    return shown


def _add_state_details(shown: Progress, zone: Zone, now: datetime) -> None:
    """Add the details that only some states have and that need more queries."""
    operation = shown.operation
    if operation.state in (State.ASSIGNED, State.BLOCKED) and operation.is_held_by_pilot:
        shown.pilot = get_status(operation)
        shown.stages[2] = replace(shown.stages[2], note=_pilot_note(shown.pilot), mark="now")
    elif operation.state == State.BLOCKED:
        shown.blocking_servers = get_blocking_servers(operation)
    elif operation.state == State.REPLICATING and operation.update is not None:
        shown.pending_replicas = stragglers.list_missing_replicas(operation.update, zone, now)
    elif operation.state == State.PREPARING:
        shown.is_certificate_server_lost = preparation.is_certificate_server_lost(
            operation, now, zone.refresh
        )
    elif operation.state in gates.CAN_ROLL_BACK and operation.changes_ca:
        obstacle = rollback.get_obstacle(operation, now=now)
        shown.roll_back = gates.build_rollback_gate(operation, obstacle)
    elif operation.state in (State.ROLLING_BACK, State.ROLLED_BACK):
        shown.outstanding = rollback.count_outstanding(operation)


def get_stages(operation: Operation, counts: Counts) -> list[Stage]:
    """Return the five stages with their counts."""
    reached = STAGES_DONE.get(State(operation.state), _reached_stage(operation))
    replicated, applied = counts.replicated(), counts.applied()
    assigned = operation.update is not None and operation.update.assigned_at is not None
    # Replication and Apply can continue after the next stage has begun (Assign Now, activation).
    completeness = {2: replicated[0] == replicated[1], 4: applied[0] == applied[1]}
    drafts = (
        Stage(1, _("System update created"), _created_note(operation, reached)),
        Stage(
            2,
            _("Replicating content"),
            _("%s of %s servers") % _separate(replicated),
            share=replicated,
        ),
        Stage(3, _("Assign to devices"), _assign_note(operation, assigned=assigned)),
        Stage(
            4, _("Apply to devices"), _applied_note(applied), share=applied if assigned else None
        ),
        Stage(5, _("Activation"), _activation_note(operation)),
    )
    marks = {
        number: _mark(number, reached, operation, is_complete=completeness.get(number, True))
        for number in range(1, len(drafts) + 1)
    }
    return [replace(stage, mark=marks[stage.number]) for stage in drafts]


def _mark(number: int, reached: int, operation: Operation, *, is_complete: bool) -> str:
    if number <= reached and is_complete:
        return "done"
    has_no_current = operation.state == State.PROPOSED or operation.state not in STAGES_DONE
    if number > reached + 1 or has_no_current:
        return ""
    return "bad" if operation.state in (State.BLOCKED, State.FAILED) and number > reached else "now"


def _reached_stage(operation: Operation) -> int:
    """Return the number of completed stages of a canceled operation, derived from its update."""
    if operation.update is None:
        return 0
    return 3 if operation.update.assigned_at else 1


def _created_note(operation: Operation, reached: int) -> str:
    if operation.state == State.PROPOSED:
        return _("after approval")
    return operation.name if reached else _("being created")


def _separate(counts: tuple[int, int]) -> tuple[str, str]:
    """Return two counts with thousands separators."""
    return intcomma(counts[0]), intcomma(counts[1])


def _applied_note(applied: tuple[int, int]) -> str:
    return _("%s of %s") % _separate(applied) if applied[1] else _("after assignment")


def _assign_note(operation: Operation, *, assigned: bool) -> str:
    if not assigned or operation.update is None:
        return _("automatic after replication")
    return _("manually") if operation.update.assigned_manually else _("automatically")


def _pilot_note(pilot: PilotStatus) -> str:
    passed, total = _separate((pilot.passed, pilot.total))
    text = _("pilot group: %(passed)s of %(total)s passed")
    return text % {"passed": passed, "total": total}


def _activation_note(operation: Operation) -> str:
    moment = operation.activated_at or operation.activates_at
    if moment is not None:
        return formatting.stamp(moment)
    return _("Immediate")


def get_revision(shown: list[Progress], *more: object) -> str:
    """Return a text that changes whenever the page would change.

    It has three parts, separated by dots: the states, a digest of what the server table shows, and
    a digest of everything else. A poll can see from them which part of the page has changed.
    """
    states = "-".join(p.operation.state for p in shown) or "idle"
    servers = digest([(p.counts.futures, p.counts.servers) for p in shown])
    rest = digest(
        [
            (
                p.counts,
                p.operation.reason,
                p.operation.activates_at,
                p.assign,
                p.cancel,
                p.cancel_until,
            )
            for p in shown
        ],
        [
            (
                _names(p.pending_replicas),
                p.blocking_servers,
                p.activation,
                p.force,
                p.roll_back,
                p.is_certificate_server_lost,
                p.operation.awaits_ca_certificate,
                p.outstanding,
                p.pilot,
            )
            for p in shown
        ],
        more,
    )
    return f"{states}.{servers}.{rest}"


def _names(replicas: list[ReplicaRow]) -> list[tuple[str, str]]:
    return [(row.replica.server.name, row.label) for row in replicas]


def digest(*things: object) -> str:
    """Return a short digest of the representation of some values."""
    return hashlib.sha256(repr(things).encode()).hexdigest()[:12]
