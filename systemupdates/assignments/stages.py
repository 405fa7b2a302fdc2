"""Deployment stages: a staged update goes to one stage after the other (D-37).

Certificate updates never wait for stages (R077): a device that hears of a new CA too late is cut
off, so they go to every device at once in the order of D-36.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from devices.models import Device
from faults import Conflict, Invalid
from systemupdates.models import Assignment, Stage, StageRun, SystemUpdate
from systemupdates.updates.states import AssignmentState

A = AssignmentState
NOTHING = gettext_lazy("Nothing was changed.")
MOST_MEMBERS = 1000
MOST_STAGES = 50
LEAST_SECONDS, MOST_SECONDS = 60, 90 * 86_400
REST = "All other devices"
# A device in one of these keeps the next stage waiting, until the stage's time is over.
UNDER_WAY = (A.PENDING, A.ASSIGNED, A.DOWNLOADING, A.APPLYING)


@dataclass(frozen=True)
class StageOrder:
    """What an administrator says of a stage; members are names of devices."""

    name: str
    timeout_seconds: int
    members: list[str]


@transaction.atomic
def save(order: StageOrder, *, stage: Stage | None = None) -> Stage:
    """Make a stage at the end, or change one; a device is in at most one stage."""
    every = Stage.objects.select_for_update().order_by("position", "pk")
    found = list(every)
    if stage is None and len(found) >= MOST_STAGES:
        raise Invalid(
            _("There are %(most)s stages already. %(nothing)s")
            % {"most": MOST_STAGES, "nothing": NOTHING}
        )
    members = _members(order.members, stage)
    row = stage or Stage(position=len(found))
    row.name, row.timeout_seconds = order.name, order.timeout_seconds
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Conflict(
            _("There is a stage of that name. %(nothing)s") % {"nothing": NOTHING}, field="name"
        ) from error
    before = row.devices.count() if stage else 0
    row.devices.set(members)
    Entry.objects.record(
        "deployment-stage",
        f"systemupdates.Stage:{row.pk}",
        note=row.name,
        detail={
            "timeout_seconds": row.timeout_seconds,
            "members": {"before": before, "after": len(members)},
        },
    )
    return row


def _members(names: list[str], stage: Stage | None) -> list[Device]:
    if len(names) > MOST_MEMBERS:
        raise Invalid(
            _("A stage has at most %(most)s devices. %(nothing)s")
            % {"most": MOST_MEMBERS, "nothing": NOTHING},
            action=_("All devices that are in no stage get the update last."),
            field="members",
        )
    found = list(Device.objects.registered().filter(name__in=names))
    unknown = sorted(set(names) - {device.name for device in found})
    if unknown:
        raise Invalid(
            _("There is no registered device of the name %(device)s. %(nothing)s")
            % {"device": unknown[0], "nothing": NOTHING},
            field="members",
        )
    elsewhere = Stage.objects.filter(devices__in=found)
    if stage is not None:
        elsewhere = elsewhere.exclude(pk=stage.pk)
    other = elsewhere.values_list("devices__name", "name").first()
    if other is not None:
        raise Conflict(
            _("%(device)s is in the stage %(stage)s already. %(nothing)s")
            % {"device": other[0], "stage": other[1], "nothing": NOTHING},
            action=_("Take it out there first."),
            field="members",
        )
    return found


@transaction.atomic
def remove(stage: Stage) -> None:
    """Remove a stage; its devices get staged updates last. What is under way goes on."""
    Entry.objects.record(
        "remove-deployment-stage", f"systemupdates.Stage:{stage.pk}", note=stage.name
    )
    position = stage.position
    stage.delete()
    Stage.objects.filter(position__gt=position).update(position=F("position") - 1)


@transaction.atomic
def move(stage: Stage, *, up: bool) -> None:
    """Let a stage change places with the one before or behind it."""
    rows = list(Stage.objects.select_for_update().order_by("position", "pk"))
    at = rows.index(stage)
    there = at - 1 if up else at + 1
    if not 0 <= there < len(rows):
        return
    rows[at], rows[there] = rows[there], rows[at]
    for position, row in enumerate(rows):
        Stage.objects.filter(pk=row.pk).update(position=position)
    order = ", ".join(row.name for row in rows)
    Entry.objects.record("order-deployment-stages", "systemupdates.Stage", note=order)


def plan(update: SystemUpdate, *, rest_seconds: int) -> None:
    """Give every pending assignment of a staged update its stage, as the stages are now."""
    runs = []
    every = Assignment.objects.filter(update=update, state=A.PENDING)
    stages = list(Stage.objects.order_by("position", "pk"))
    every.update(wave=len(stages))
    for wave, stage in enumerate(stages):
        every.filter(device__in=stage.devices.values("pk")).update(wave=wave)
        runs.append(
            StageRun(
                update=update, wave=wave, name=stage.name, timeout_seconds=stage.timeout_seconds
            )
        )
    runs.append(StageRun(update=update, wave=len(stages), name=REST, timeout_seconds=rest_seconds))
    StageRun.objects.bulk_create(runs, ignore_conflicts=True)


@transaction.atomic
def offer(update: SystemUpdate, *, now: datetime) -> int:
    """Begin the next stage once the one before is through, or its time is over."""
    runs = list(StageRun.objects.select_for_update().filter(update=update).order_by("wave"))
    offered = 0
    for run in runs:
        if run.started_at is None:
            StageRun.objects.filter(pk=run.pk).update(started_at=now)
            run.started_at = now
        offered += _offer_wave(update, run.wave, now)
        if not _is_through(update, run, now):
            break
    return offered


def _offer_wave(update: SystemUpdate, wave: int, now: datetime) -> int:
    rows = Assignment.objects.filter(update=update, wave=wave, state=A.PENDING)
    Device.objects.filter(pk__in=rows.values("device")).update(errands=True)
    return rows.update(state=A.ASSIGNED, changed_at=now)


def _is_through(update: SystemUpdate, run: StageRun, now: datetime) -> bool:
    """Tell whether the next stage may begin. A failed device stops none: it is told and waits."""
    if run.started_at is None:
        return False
    if now >= run.started_at + timedelta(seconds=run.timeout_seconds):
        return True
    waiting = Assignment.objects.filter(update=update, wave=run.wave, state__in=UNDER_WAY)
    return not waiting.exclude(device__state__in=("retired", "unregistered")).exists()


def members_of(pks: list[int]) -> dict[int, list[tuple[UUID, str]]]:
    """Return the members of some stages, by name."""
    found: dict[int, list[tuple[UUID, str]]] = {pk: [] for pk in pks}
    rows = Stage.objects.filter(pk__in=pks, devices__isnull=False).order_by("devices__name")
    for pk, guid, name in rows.values_list("pk", "devices", "devices__name"):
        found[pk].append((guid, name))
    return found
