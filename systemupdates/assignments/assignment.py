"""Assign an update to devices in the order of D-36, hear how they fare, ignore, redeploy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from audit.models import Entry, utc
from devices.models import Device, Role, Zone
from faults import Conflict, Invalid, NotFound
from systemupdates.assignments import rollout, stages
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import ASSIGNMENT, SETTLED, AssignmentState, UpdateState
from wire import messages
from wire.preflight import RehearsalReport

A = AssignmentState
FIRST, PRIMARIES, THE_REST = 0, 1, 2
REHEARSED_AT_MOST = 10
# While a live device of an earlier wave is in one of these, later waves wait.
UNDER_WAY = (A.PENDING, A.ASSIGNED, A.DOWNLOADING, A.APPLYING)
# What Redeploy is for.
REDEPLOYABLE = (A.FAILED, A.NEEDS_CRT, A.IGNORED)

# One statement for any number of devices; a device that has its row keeps it. In the order of
# their keys the rows go into each index one behind the other: that takes half the time.
_ASSIGN = """
INSERT INTO systemupdates_assignment
  (update_id, device_id, state, wave, step, attempt, reason, action, redeploy, told)
SELECT %s, d.guid, 'pending', CASE WHEN d.guid = %s THEN 0 WHEN d.role = %s THEN 1 ELSE 2 END,
  '', 0, '', '', {false}, {false}
FROM devices_device d
WHERE d.state = 'registered' {only}
ORDER BY d.guid
ON CONFLICT (update_id, device_id) DO NOTHING
"""


def _key(value: UUID) -> Any:
    field = Device._meta.pk
    return field.get_db_prep_value(value, connection)


def assign(update: SystemUpdate, *, only: list[UUID] | None = None) -> int:
    """Give every registered device (or `only` those) a pending assignment; returns how many."""
    given = [_key(guid) for guid in only or []]
    clause = f"AND d.guid IN ({', '.join(['%s'] * len(given))})" if only is not None else ""
    false = "FALSE" if connection.vendor == "postgresql" else "0"
    values = [
        _key(update.pk),
        _key(update.initiating_server_id),
        Role.PRIMARY,
        *given,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ASSIGN.format(only=clause, false=false), values)
        count = int(cursor.rowcount)
    if count:
        rollout.forget(update.pk)
    if update.staged and count:
        stages.plan(update, rest_seconds=Zone.objects.the().stage_timeout_seconds)
    return count


def offer(update: SystemUpdate, *, now: datetime, refresh: timedelta) -> int:
    """Offer the update to the next wave once all live devices of the one before applied it."""
    if update.staged:
        return stages.offer(update, now=now)
    live = now - 2 * refresh - timedelta(minutes=1)
    waiting = Assignment.objects.filter(update=update, state=A.PENDING)
    wave = waiting.order_by("wave").values_list("wave", flat=True).first()
    if wave is None:
        return 0
    before = Assignment.objects.filter(
        update=update, wave__lt=wave, state__in=UNDER_WAY, device__last_contact__gte=live
    )
    if before.exists():
        return 0
    wave_rows = waiting.filter(wave=wave)
    Device.objects.filter(pk__in=wave_rows.values("device")).update(errands=True)
    return wave_rows.update(state=A.ASSIGNED, changed_at=now)


def report(
    device: Device, update_id: str, said: messages.StatusReport, *, now: datetime
) -> Assignment:
    """Note what a device says of an update. Repeated or late reports change nothing."""
    assignment = _of(device, update_id)
    if said.state not in messages.REPORTED_STATES:
        raise Invalid(_("There is no state %(state)r.") % {"state": said.state})
    if said.state == messages.CANCELED:
        Assignment.objects.filter(pk=assignment.pk).update(told=True)
        return assignment
    here = assignment.state
    fresh = said.attempt > assignment.attempt
    if here == said.state and not fresh:
        return assignment
    if said.state != A.ACTIVATED and not fresh and _is_late(assignment, said):
        return assignment
    if here != said.state and said.state not in ASSIGNMENT.moves[here]:
        return assignment
    _write(assignment, said, now)
    return assignment


def _is_late(assignment: Assignment, said: messages.StatusReport) -> bool:
    """Tell whether a report speaks of what is past: an earlier attempt, or before a redeploy."""
    if said.attempt < assignment.attempt:
        return True
    if assignment.redeploy:
        return said.state == A.FAILED
    return assignment.state == A.FAILED


def _write(assignment: Assignment, said: messages.StatusReport, now: datetime) -> None:
    changes: dict[str, Any] = {
        "step": said.step[:32],
        "attempt": max(said.attempt, assignment.attempt),
        "reason": said.detail[:2000],
        "action": said.action[:2000],
        "changed_at": now,
        "redeploy": False,
    }
    if said.state == A.APPLIED and assignment.applied_at is None:
        changes["applied_at"] = now
    if said.state == A.ACTIVATED:
        changes["activated_at"] = assignment.activated_at or utc(said.at)
        changes["confirmed_at"] = now
        changes["applied_at"] = assignment.applied_at or now
    here = assignment.state
    # One line of many: the ledger keeps failures and ends, the row keeps the rest.
    if said.state in (A.FAILED, A.ACTIVATED) and here != said.state:
        Assignment.objects.move(assignment, said.state, note=said.detail[:200], **changes)
        return
    Assignment.objects.filter(pk=assignment.pk, state=here).update(state=said.state, **changes)
    assignment.state = said.state


def _of(device: Device, update_id: str) -> Assignment:
    try:
        found = Assignment.objects.filter(device=device, update_id=UUID(update_id)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(_("This update is not assigned to this device."))
    return found


def rehearsed(device: Device, update_id: str, said: RehearsalReport, *, now: datetime) -> None:
    """Keep how a device's handshakes with future certificates went (B-1)."""
    assignment = _of(device, update_id)
    # A device tells what is new since its last report: what it said of other servers stays.
    known = {one["server"]: one for one in assignment.rehearsal or []}
    for r in said.results:
        known[r.server] = {"server": r.server, "code": r.code, "detail": r.detail[:500]}
    results = list(known.values())[-REHEARSED_AT_MOST:]
    Assignment.objects.filter(pk=assignment.pk).update(rehearsal=results, rehearsed_at=now)


@transaction.atomic
def ignore_device(assignment: Assignment, *, now: datetime) -> None:
    """Leave a device out of an update: the operation no longer waits for it (R097)."""
    Assignment.objects.move(assignment, A.IGNORED, note=str(assignment.device), changed_at=now)
    Device.objects.filter(pk=assignment.device_id).update(errands=True, wake=True)
    rollout.forget(assignment.update_id)


@transaction.atomic
def redeploy(assignment: Assignment, *, now: datetime) -> None:
    """Offer a failed or ignored update to its device again (R053, D-38)."""
    if assignment.state not in REDEPLOYABLE:
        raise Conflict(
            _("%(device)s has neither failed nor was it left out. Nothing was changed.")
            % {"device": assignment.device},
            action=_("Reload the page to see how the device stands."),
        )
    Assignment.objects.move(
        assignment,
        A.ASSIGNED,
        note=str(assignment.device),
        changed_at=now,
        redeploy=True,
        reason="",
        action="",
        # A device that was left out begins to count anew.
        **({"attempt": 0} if assignment.state == A.IGNORED else {}),
    )
    Device.objects.filter(pk=assignment.device_id).update(errands=True, wake=True)
    rollout.forget(assignment.update_id)


def offer_again(device: Device) -> None:
    """Offer every update that still counts to a device that registered anew (A.3: re-imaged)."""
    closed = (UpdateState.BASELINED, UpdateState.CANCELED)
    rows = Assignment.objects.filter(device=device).exclude(update__state__in=closed)
    # One that an administrator has left out stays left out, until it is redeployed.
    rows.exclude(state__in=(A.PENDING, A.CANCELED, A.IGNORED)).update(
        state=A.ASSIGNED, attempt=0, step="", reason="", redeploy=False
    )


def withdraw(update: SystemUpdate, *, announced: bool, now: datetime) -> None:
    """Cancel the update on every device; each hears of it by signed notice at its next refresh.

    `announced`: every device may trust its root already, also one that was not offered it yet.
    """
    rows = Assignment.objects.filter(update=update).exclude(state=A.CANCELED)
    silent = rows.filter(state=A.PENDING)
    untouched = silent.update(state=A.CANCELED, told=not announced, changed_at=now)
    hear = Assignment.objects.filter(update=update, told=False)
    Device.objects.filter(pk__in=hear.values("device")).update(errands=True)
    rest = rows.exclude(state=A.CANCELED).update(state=A.CANCELED, changed_at=now)
    rollout.forget(update.pk)
    Entry.objects.record(
        "withdraw",
        f"systemupdates.SystemUpdate:{update.pk}",
        detail={"never offered": untouched, "offered": rest},
    )


def undo(update: SystemUpdate, *, now: datetime) -> int:
    """Call the update back from every device, also from those that activated it (B-5)."""
    rows = Assignment.objects.filter(update=update)
    Device.objects.filter(pk__in=rows.values("device")).update(errands=True)
    called = rows.update(state=A.CANCELED, told=False, redeploy=False, changed_at=now)
    rollout.forget(update.pk)
    Entry.objects.record(
        "undo", f"systemupdates.SystemUpdate:{update.pk}", detail={"devices": called}
    )
    return called


def cut_off(update: SystemUpdate, *, since: datetime, now: datetime) -> int:
    """Tell which devices cannot verify the servers any more: silent since, and not applied (D-33).

    For them there is no bridge, or the old root has expired. They recover by the signed notice
    when they are on again; until then only the remint tool is known to help.
    """
    rows = Assignment.objects.filter(
        Q(device__last_contact__lt=since) | Q(device__last_contact=None),
        update=update,
        state__in=(*UNDER_WAY, A.FAILED),
        device__state="registered",
    )
    count = rows.update(
        state=A.NEEDS_CRT,
        changed_at=now,
        reason=_("It missed the update and cannot verify the servers any more."),
        action=_(
            "It recovers by itself once it is on. Else run the Certificate Remint Tool on it."
        ),
    )
    if count:
        subject = f"systemupdates.SystemUpdate:{update.pk}"
        Entry.objects.record("cut-off", subject, note=update.name, detail={"devices": count})
    return count


def settled(update: SystemUpdate) -> bool:
    """Tell whether no device holds the update open any more (D-27)."""
    return not Assignment.objects.filter(update=update).outstanding().exists()


__all__ = [
    "SETTLED",
    "assign",
    "cut_off",
    "ignore_device",
    "offer",
    "redeploy",
    "report",
    "settled",
    "undo",
    "withdraw",
]
