"""Assign, offer, ignore, redeploy, and cancel updates on devices (D-36, D-38)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from audit.models import Entry
from devices.models import Device, Role, Zone, get_contact_limit
from devices.registration.states import DeviceState
from faults import Conflict
from systemupdates.assignments import rollout, stages
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import (
    ERRORS,
    UNDER_WAY,
    UPDATE_CLOSED,
    AssignmentState,
)

A = AssignmentState
REDEPLOYABLE = (*ERRORS, A.IGNORED)
# Waves of an update that is not staged, after the initiating server and the Primary Servers. The
# last one is only used with a pilot, for the devices that are not in it.
OTHERS_WAVE, REST_WAVE = 2, 3

# One statement for any number of devices. Existing assignments are kept. Rows in the order of
# their keys take half the time, because each index grows at its end.
_ASSIGN = """
INSERT INTO systemupdates_assignment
  (update_id, device_id, state, wave, step, attempt, reason, action, redeploy,
   cancellation_acknowledged)
SELECT %s, d.guid, 'pending', CASE WHEN d.guid = %s THEN 0 WHEN d.role = %s THEN 1
  WHEN d.role = %s THEN 2 ELSE %s END,
  '', 0, '', '', {false}, {false}
FROM devices_device d
WHERE d.state = 'registered' {only}
ORDER BY d.guid
ON CONFLICT (update_id, device_id) DO NOTHING
"""


def _to_column(value: UUID) -> Any:
    field = Device._meta.pk
    return field.get_db_prep_value(value, connection)


def assign(update: SystemUpdate, *, only: list[UUID] | None = None, wave: int = OTHERS_WAVE) -> int:
    """Create a pending assignment for every registered device, or for `only` some.

    `wave` is that of the devices without a server certificate. Returns the number of new
    assignments.
    """
    given = [_to_column(guid) for guid in only or []]
    clause = f"AND d.guid IN ({', '.join(['%s'] * len(given))})" if only is not None else ""
    false = "FALSE" if connection.vendor == "postgresql" else "0"
    initiating_server = _to_column(update.initiating_server_id)
    roles = [Role.PRIMARY, Role.AUTHENTICATION_SATELLITE]
    values = [_to_column(update.pk), initiating_server, *roles, wave, *given]
    with connection.cursor() as cursor:
        cursor.execute(_ASSIGN.format(only=clause, false=false), values)
        count = int(cursor.rowcount)
    if count:
        rollout.discard_counts(update.pk)
    if update.staged and count:
        stages.create_runs(update, rest_seconds=Zone.objects.get_zone().stage_timeout_seconds)
    return count


def mark_pilot(update: SystemUpdate, devices: QuerySet[Device]) -> int:
    """Make some devices the pilot of an update, and return their number."""
    rows = Assignment.objects.filter(update=update, state=A.PENDING, device__in=devices)
    return rows.update(is_pilot=True, wave=OTHERS_WAVE)


def offer(update: SystemUpdate, *, now: datetime, refresh: timedelta, is_held: bool = False) -> int:
    """Offer the update to the next wave if all online devices of earlier waves have applied it.

    With `is_held`, the wave of the rest gets no offer. Devices of the pilot never delay the rest,
    because the rest is held until their results allow it. Returns the number of devices to which
    it was offered.
    """
    if update.staged:
        return stages.offer(update, now=now)
    online_since = now - get_contact_limit(refresh)
    waiting = Assignment.objects.filter(update=update, state=A.PENDING)
    if is_held:
        waiting = waiting.filter(wave__lt=REST_WAVE)
    wave = waiting.order_by("wave").values_list("wave", flat=True).first()
    if wave is None:
        return 0
    earlier = Assignment.objects.filter(
        update=update,
        wave__lt=wave,
        is_pilot=False,
        state__in=UNDER_WAY,
        device__last_contact__gte=online_since,
    )
    if earlier.exists():
        return 0
    wave_rows = waiting.filter(wave=wave)
    Device.objects.filter(pk__in=wave_rows.values("device")).update(has_pending_work=True)
    return wave_rows.update(state=A.ASSIGNED, changed_at=now)


@transaction.atomic
def ignore_device(assignment: Assignment, *, now: datetime) -> None:
    """Ignore a device for an update, so that it no longer keeps the operation open."""
    Assignment.objects.transition(
        assignment, A.IGNORED, note=str(assignment.device), changed_at=now
    )
    Device.objects.filter(pk=assignment.device_id).update(
        has_pending_work=True, refresh_requested=True
    )
    rollout.discard_counts(assignment.update_id)


@transaction.atomic
def redeploy(assignment: Assignment, *, now: datetime) -> None:
    """Offer a failed or ignored update to its device again."""
    if assignment.state not in REDEPLOYABLE:
        raise Conflict(
            _(
                "%(device)s cannot be redeployed because it has not failed and "
                "is not ignored. Nothing was changed."
            )
            % {"device": assignment.device},
            action=_("Reload the page to see the current status of the device."),
        )
    Assignment.objects.transition(
        assignment,
        A.ASSIGNED,
        note=str(assignment.device),
        changed_at=now,
        redeploy=True,
        reason="",
        action="",
        # An ignored device starts again with the first attempt.
        **({"attempt": 0} if assignment.state == A.IGNORED else {}),
    )
    Device.objects.filter(pk=assignment.device_id).update(
        has_pending_work=True, refresh_requested=True
    )
    rollout.discard_counts(assignment.update_id)


def offer_again(device: Device, superseded: Iterable[UUID]) -> None:
    """Offer open updates again to a device that has registered again (re-imaged device).

    Ignored and `superseded` updates are not offered, and their counts do not change.
    """
    not_offered = Q(update__in=superseded) | Q(update__state__in=UPDATE_CLOSED)
    not_offered |= Q(state__in=(A.PENDING, A.CANCELED, A.IGNORED))
    rows = Assignment.objects.filter(device=device).exclude(not_offered)
    rows.update(state=A.ASSIGNED, attempt=0, step="", reason="", redeploy=False)


def cancel_assignments(update: SystemUpdate, *, announced: bool, now: datetime) -> None:
    """Cancel the update on every device. Devices get a signed trust notice at their next refresh.

    `announced`: whether devices might already trust the new root before the update was offered.
    """
    rows = Assignment.objects.filter(update=update).exclude(state=A.CANCELED)
    pending = rows.filter(state=A.PENDING)
    never_offered = pending.update(
        state=A.CANCELED, cancellation_acknowledged=not announced, changed_at=now
    )
    unaware = Assignment.objects.filter(update=update, cancellation_acknowledged=False)
    Device.objects.filter(pk__in=unaware.values("device")).update(has_pending_work=True)
    offered = rows.exclude(state=A.CANCELED).update(state=A.CANCELED, changed_at=now)
    rollout.discard_counts(update.pk)
    Entry.objects.record(
        "withdraw",
        f"systemupdates.SystemUpdate:{update.pk}",
        detail={"never offered": never_offered, "offered": offered},
    )


def roll_back_assignments(update: SystemUpdate, *, now: datetime) -> int:
    """Cancel the update on every device, including those that have activated it.

    Returns the number of devices.
    """
    rows = Assignment.objects.filter(update=update)
    Device.objects.filter(pk__in=rows.values("device")).update(has_pending_work=True)
    count = rows.update(
        state=A.CANCELED, cancellation_acknowledged=False, redeploy=False, changed_at=now
    )
    rollout.discard_counts(update.pk)
    Entry.objects.record(
        "undo", f"systemupdates.SystemUpdate:{update.pk}", detail={"devices": count}
    )
    return count


def mark_devices_without_contact(update: SystemUpdate, *, since: datetime, now: datetime) -> int:
    """Set devices that can no longer verify the servers to Needs CRT, and return their number.

    These are devices without contact since `since` that have not applied the update, if there is
    no cross-certificate or the old root has expired.
    """
    rows = Assignment.objects.filter(
        Q(device__last_contact__lt=since) | Q(device__last_contact=None),
        update=update,
        state__in=(*UNDER_WAY, A.FAILED),
        device__state=DeviceState.REGISTERED,
    )
    count = rows.update(
        state=A.NEEDS_CRT,
        changed_at=now,
        reason=_("The device missed the update and can no longer verify the servers."),
        action=_(
            "Start the device. It recovers automatically. If it does not, run "
            "the Certificate Remint Tool on it."
        ),
    )
    if count:
        subject = f"systemupdates.SystemUpdate:{update.pk}"
        Entry.objects.record("cut-off", subject, note=update.name, detail={"devices": count})
    return count


def is_settled(update: SystemUpdate) -> bool:
    """Return True if no device keeps the update open (D-27)."""
    return not Assignment.objects.filter(update=update).outstanding().exists()
