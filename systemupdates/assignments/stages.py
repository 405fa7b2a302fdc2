"""Deployment stages: a staged update is offered to one stage after the other.

Certificate updates bypass the stages, because a device that receives a new CA too late would lose
contact.

See: D-36; D-37
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit.models import Entry
from devices.models import Device
from devices.registration.states import LEFT
from faults import Conflict, Invalid
from systemupdates.models import Assignment, Stage, StageRun, SystemUpdate
from systemupdates.updates.states import UNDER_WAY, AssignmentState

A = AssignmentState
NOTHING = gettext_lazy("Nothing was changed.")
MAX_MEMBERS = 1000
MAX_STAGES = 50
MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS = 60, 90 * 86_400
REST = gettext_noop("All other devices")


@dataclass(frozen=True)
class StageSettings:
    """The settings of a stage. `members` are names of devices."""

    name: str
    timeout_seconds: int
    members: list[str]


@transaction.atomic
def save_stage(settings: StageSettings, *, stage: Stage | None = None) -> Stage:
    """Change a stage, or create one after the existing stages. Return the stage."""
    Entry.objects.lock_checkpoint()
    every = Stage.objects.select_for_update().order_by("position", "pk")
    found = list(every)
    if stage is None and len(found) >= MAX_STAGES:
        raise Invalid(
            _("The maximum of %(most)s stages has been reached. %(nothing)s")
            % {"most": MAX_STAGES, "nothing": NOTHING}
        )
    members = _members(settings.members, stage)
    row = stage or Stage(position=len(found))
    row.name, row.timeout_seconds = settings.name, settings.timeout_seconds
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Conflict(
            _("A stage with that name already exists. %(nothing)s") % {"nothing": NOTHING},
            field="name",
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
    if len(names) > MAX_MEMBERS:
        raise Invalid(
            _("A stage can contain up to %(most)s devices. %(nothing)s")
            % {"most": MAX_MEMBERS, "nothing": NOTHING},
            action=_("Devices that are not in a stage receive the update last."),
            field="members",
        )
    found = list(Device.objects.registered().filter(name__in=names))
    unknown = sorted(set(names) - {device.name for device in found})
    if unknown:
        raise Invalid(
            _("No registered device is named %(device)s. %(nothing)s")
            % {"device": unknown[0], "nothing": NOTHING},
            field="members",
        )
    elsewhere = Stage.objects.filter(devices__in=found)
    if stage is not None:
        elsewhere = elsewhere.exclude(pk=stage.pk)
    other = elsewhere.values_list("devices__name", "name").first()
    if other is not None:
        raise Conflict(
            _("%(device)s is already in the stage %(stage)s. %(nothing)s")
            % {"device": other[0], "stage": other[1], "nothing": NOTHING},
            action=_("Remove the device from that stage first."),
            field="members",
        )
    return found


@transaction.atomic
def remove_stage(stage: Stage) -> None:
    """Remove a stage. Its devices receive new staged updates last."""
    Entry.objects.record(
        "remove-deployment-stage", f"systemupdates.Stage:{stage.pk}", note=stage.name
    )
    position = stage.position
    stage.delete()
    Stage.objects.filter(position__gt=position).update(position=F("position") - 1)


@transaction.atomic
def move_stage(stage: Stage, *, up: bool) -> None:
    """Move a stage up or down by one position."""
    Entry.objects.lock_checkpoint()
    rows = list(Stage.objects.select_for_update().order_by("position", "pk"))
    at = rows.index(stage)
    other = at - 1 if up else at + 1
    if not 0 <= other < len(rows):
        return
    rows[at], rows[other] = rows[other], rows[at]
    for position, row in enumerate(rows):
        Stage.objects.filter(pk=row.pk).update(position=position)
    order = ", ".join(row.name for row in rows)
    Entry.objects.record("order-deployment-stages", "systemupdates.Stage", note=order)


def create_runs(update: SystemUpdate, *, rest_seconds: int) -> None:
    """Copy the current stages for an update and put its pending assignments into them."""
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
    """Offer the update to the next stages whose predecessors are finished.

    Returns the number of devices to which it was offered.
    """
    runs = list(StageRun.objects.select_for_update().filter(update=update).order_by("wave"))
    offered = 0
    for run in runs:
        if run.started_at is None:
            StageRun.objects.filter(pk=run.pk).update(started_at=now)
            run.started_at = now
        offered += _offer_wave(update, run.wave, now)
        if not _is_finished(update, run, now):
            break
    return offered


def _offer_wave(update: SystemUpdate, wave: int, now: datetime) -> int:
    rows = Assignment.objects.filter(update=update, wave=wave, state=A.PENDING)
    Device.objects.filter(pk__in=rows.values("device")).update(has_pending_work=True)
    return rows.update(state=A.ASSIGNED, changed_at=now)


def _is_finished(update: SystemUpdate, run: StageRun, now: datetime) -> bool:
    """Return True if the next stage can start. Failed devices do not delay it."""
    if run.started_at is None:
        return False
    if now >= run.started_at + timedelta(seconds=run.timeout_seconds):
        return True
    waiting = Assignment.objects.filter(update=update, wave=run.wave, state__in=UNDER_WAY)
    return not waiting.exclude(device__state__in=LEFT).exists()


def get_members(pks: list[int]) -> dict[int, list[tuple[UUID, str]]]:
    """Return the GUIDs and names of the members of stages, sorted by name."""
    found: dict[int, list[tuple[UUID, str]]] = {pk: [] for pk in pks}
    rows = Stage.objects.filter(pk__in=pks, devices__isnull=False).order_by("devices__name")
    for pk, guid, name in rows.values_list("pk", "devices", "devices__name"):
        found[pk].append((guid, name))
    return found
