"""Reports of devices about an update: its state, and the results of preflight checks (D-33)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from audit.models import Entry, EntryLimit, from_timestamp
from devices.inventory import tls_stacks
from devices.models import Device
from faults import Invalid, NotFound
from systemupdates.models import Assignment
from systemupdates.updates.states import ASSIGNMENT, AssignmentState
from wire import messages, records
from wire.update_messages import PreflightReport

A = AssignmentState
MAX_PREFLIGHT_RESULTS = 10
MAX_STACK_RESULTS = 20
STACK_REJECTED = "tls-library-rejected"


def save_status_report(
    device: Device, update_id: str, report: messages.StatusReport, *, now: datetime
) -> Assignment:
    """Save the status that a device reports. Repeated and outdated reports are ignored."""
    return apply_status_report(_get_assignment(device, update_id), report, now=now)


def apply_status_report(
    assignment: Assignment, report: messages.StatusReport, *, now: datetime
) -> Assignment:
    """Move an assignment to the state in a report, unless the report is repeated or outdated."""
    if report.state not in messages.REPORTED_STATES:
        raise Invalid(_("Unknown state: %(state)r.") % {"state": report.state})
    if report.state == messages.CANCELED:
        canceled = Assignment.objects.filter(pk=assignment.pk, state=A.CANCELED)
        canceled.update(cancellation_acknowledged=True)
        return assignment
    is_new_attempt = report.attempt > assignment.attempt
    is_same_state = assignment.state == report.state
    if is_same_state and not is_new_attempt:
        return assignment
    if report.state != A.ACTIVATED and not is_new_attempt and _is_outdated(assignment, report):
        return assignment
    if not is_same_state and not ASSIGNMENT.can_change(assignment.state, report.state):
        return assignment
    _save_report(assignment, report, now)
    return assignment


def _is_outdated(assignment: Assignment, report: messages.StatusReport) -> bool:
    """Return True if a report is about an earlier attempt, or older than a redeploy."""
    if report.attempt < assignment.attempt:
        return True
    if assignment.redeploy:
        return report.state == A.FAILED
    return assignment.state == A.FAILED


def _save_report(assignment: Assignment, report: messages.StatusReport, now: datetime) -> None:
    changes: dict[str, Any] = {
        "step": report.step[:32],
        "attempt": max(report.attempt, assignment.attempt),
        "reason": report.detail[:2000],
        "action": report.action[:2000],
        "changed_at": now,
        "redeploy": False,
    }
    if report.state == A.APPLIED and assignment.applied_at is None:
        changes["applied_at"] = now
    if report.state == A.ACTIVATED:
        changes["activated_at"] = assignment.activated_at or from_timestamp(report.at)
        changes["confirmed_at"] = now
        changes["applied_at"] = assignment.applied_at or now
    current = assignment.state
    # The audit log has only failures and activations, to keep the number of entries low.
    if report.state in (A.FAILED, A.ACTIVATED) and current != report.state:
        by: dict[str, Any] = {"note": report.detail[:200], "reported_by": assignment.device_id}
        Assignment.objects.transition(assignment, report.state, **by, **changes)
        return
    Assignment.objects.filter(pk=assignment.pk, state=current).update(state=report.state, **changes)
    assignment.state = report.state


def _get_assignment(device: Device, update_id: str) -> Assignment:
    try:
        found = Assignment.objects.filter(device=device, update_id=UUID(update_id)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(_("This update is not assigned to this device."))
    return found


def save_preflight_report(
    device: Device, update_id: str, report: PreflightReport, *, now: datetime
) -> None:
    """Save the preflight results of a device.

    The report has only new results. Results of other servers are kept.
    """
    assignment = _get_assignment(device, update_id)
    known = {result["server"]: result for result in assignment.preflight_results or []}
    for result in report.results:
        known[result.server] = {
            "server": result.server,
            "code": result.code,
            "detail": result.detail[:500],
        }
    changes: dict[str, Any] = {
        "preflight_results": list(known.values())[-MAX_PREFLIGHT_RESULTS:],
        "preflight_at": now,
    }
    if report.stacks:
        stacks = records.to_plain(report.stacks[:MAX_STACK_RESULTS])
        changes["stack_results"] = stacks
        _record_rejections(assignment, stacks)
    Assignment.objects.filter(pk=assignment.pk).update(**changes)


def _record_rejections(assignment: Assignment, results: list[dict[str, Any]]) -> None:
    """Record the TLS stacks that reject the new certificate, once for each update (D-271)."""
    known = {row["stack"] for row in tls_stacks.list_rejections(assignment.stack_results)}
    new = [row for row in tls_stacks.list_rejections(results) if row["stack"] not in known]
    if not new:
        return
    device = assignment.device
    note = "; ".join(f"{tls_stacks.get_label(row)}: {row['detail'] or '-'}" for row in new)
    Entry.objects.record_limited(
        EntryLimit.of_device(device.pk, STACK_REJECTED),
        STACK_REJECTED,
        f"devices.Device:{device.pk}",
        about=[f"systemupdates.SystemUpdate:{assignment.update_id}"],
        note=note[:300],
        detail={"update": str(assignment.update_id), "stacks": [row["stack"] for row in new]},
    )
