"""The state machine of updates: steps, their transitions, failures, and status reports.

A step is stored before it is reported and before it runs. After a crash the same step runs again,
so each step must be safe to repeat.
"""

from __future__ import annotations

import functools
from typing import ClassVar, Dict, Optional, Type

from faults import Fault, Kind
from wire.messages import FAILED, StatusReport
from wire.records import Record, replace
from zac.host import state
from zac.host.host import Host
from zac.host.state import Report, State, UpdateRecord
from zac.network import calls

# A failed step is repeated at the next refresh, then after increasing pauses (seconds).
MAX_PAUSE = 3600.0
MAX_DOUBLINGS = 16


class StepChanged(Fault):
    """Another thread or process has moved the update to another step."""


class Step(Record):
    """One step of one update.

    `reported_state` is the state that is reported when the step is entered, "" for none. `detail`
    is part of that report. An `offline` step needs no network: if there is an activation thread,
    only that thread runs it, so that an unresponsive server cannot delay an activation.
    """

    update: str
    detail: str = ""
    name: ClassVar[str] = ""
    reported_state: ClassVar[str] = ""
    offline: ClassVar[bool] = False

    def run(self, host: Host) -> Optional["Step"]:
        """Run this step; return the next one, or None if it has to wait."""
        raise NotImplementedError

    def record(self, host: Host) -> UpdateRecord:
        """Return the record of the update; raises StepChanged if it is at another step."""
        record = host.state.get(self.update)
        if record is None or record.step != self.name:
            raise StepChanged("The update is no longer at this step.")
        return record


STEPS: Dict[str, Type[Step]] = {}


def register_step(step: Type[Step]) -> Type[Step]:
    """Register a class of steps under its name (decorator)."""
    STEPS[step.name] = step
    return step


def create_step(name: str, update: str, detail: str = "") -> Step:
    """Return the step with a name, for an update."""
    return STEPS[name](update, detail)


def advance(host: Host, update: str, *, offline: bool = False) -> None:
    """Run the steps of an update until one has to wait, fails, or is the last one.

    With `offline`, only steps that need no network are run.
    """
    step = _resume(host, update)
    while step is not None and _runs_here(host, step, offline=offline):
        try:
            next_step = step.run(host)
        except StepChanged:
            next_step = _resume(host, update)
        except Fault as fault:
            _record_failure(host, step, fault)
            return
        if next_step is None or not _enter(host, step, next_step):
            return
        step = next_step


def advance_all(host: Host, *, offline: bool = False) -> None:
    """Advance every update of this host."""
    for update in list(host.state.load().updates):
        advance(host, update, offline=offline)


def build_report(
    host: Host,
    record: UpdateRecord,
    reported: str,
    step: str,
    *,
    detail: str = "",
    action: str = "",
) -> StatusReport:
    """Return a status report of an update."""
    return StatusReport(
        state=reported,
        step=step,
        attempt=record.attempt,
        at=host.clock.now(),
        revision=record.revision,
        detail=detail,
        action=action,
    )


def retry(host: Host, update: str) -> None:
    """Clear the pause of a failed update, so that it is retried immediately.

    See: manual 1.2.4, A.4
    """

    def change(record: UpdateRecord) -> UpdateRecord:
        if not record.failure:
            return record
        return replace(record, failures=0, retry_at=0.0)

    host.state.edit(update, change)


def send_reports(host: Host) -> None:
    """Send all queued reports in order; raises a fault if no server accepts them."""
    for report in host.state.load().reports:
        try:
            calls.send(host, "/zac/v1/updates/%s/status" % report.update, report.status)
        except calls.Rejected as fault:
            # The update was deleted, or is not assigned to this device.
            host.log_event("report-rejected", update=report.update, reason=fault.explanation)
        host.state.update(functools.partial(_without_report, sent=report))


def _without_report(held: State, sent: Report) -> State:
    return replace(held, reports=[report for report in held.reports if report != sent])


def _runs_here(host: Host, step: Step, *, offline: bool) -> bool:
    if step.offline and host.activator is not None and not offline:
        host.activator()
        return False
    return step.offline or not offline


def _resume(host: Host, update: str) -> Optional[Step]:
    record = host.state.get(update)
    if record is None or not record.is_open or record.step not in STEPS:
        return None
    if record.failure:
        if host.clock.now() < record.retry_at:
            return None
        record = _start_attempt(host, record)
    return STEPS[record.step](update)


def _start_attempt(host: Host, failed: UpdateRecord) -> UpdateRecord:
    record = replace(failed, failure="", attempt=failed.attempt + 1)
    host.state.put(record)
    if record.reported_state:
        _queue(host, record, build_report(host, record, record.reported_state, record.step))
    return record


def _enter(host: Host, step: Step, next_step: Step) -> bool:
    if step.name == next_step.name:
        return False
    record = host.state.get(step.update)
    if record is None:
        return False
    report = None
    if next_step.reported_state:
        report = build_report(
            host, record, next_step.reported_state, next_step.name, detail=next_step.detail
        )
    if not host.state.transition(step.update, step.name, next_step.name, report):
        return False
    host.log_event("step", update=step.update, step=next_step.name)
    return True


def _record_failure(host: Host, step: Step, fault: Fault) -> None:
    if fault.kind is Kind.UNAVAILABLE:
        host.log("%s is waiting: %s" % (step.name, fault.explanation))
        return
    record = host.state.get(step.update)
    if record is None:
        return
    failures = record.failures + 1
    interval = host.home.zone_cache().refresh_s
    pause = min(interval * 2 ** min(failures - 1, MAX_DOUBLINGS), max(MAX_PAUSE, interval))
    record = replace(
        record,
        failures=failures,
        failure=fault.explanation,
        retry_at=host.clock.now() + pause,
    )
    host.state.put(record)
    texts = {"detail": fault.explanation, "action": fault.action}
    _queue(host, record, build_report(host, record, FAILED, step.name, **texts))
    host.log_event("failed", update=step.update, step=step.name, reason=str(fault))


def _queue(host: Host, record: UpdateRecord, report: StatusReport) -> None:
    host.state.update(lambda held: state.with_report(held, Report(record.id, report)))
