"""The end of an update: Baseline and Delete (D-39), and what an act on one device means.

Release details of an update: what the zone key signed of it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from devices.models import Device, Role, Zone
from faults import Conflict, Fault
from systemupdates.assignments import rollout
from systemupdates.models import Assignment, Notice, Replica, SystemUpdate
from systemupdates.remint_tool import build
from systemupdates.updates.states import REPLICA, AssignmentState, ReplicaState, UpdateState
from wire import metadata
from wire.metadata import Manifest, open_as

A = AssignmentState
MAY_DELETE = (UpdateState.BASELINED, UpdateState.CANCELED)
# The newest activations by which a lost device finds back; recovery needs their content.
RECOVERY_KEEPS = 3
MAY_BE_WITHDRAWN = [
    state for state, there in REPLICA.moves.items() if ReplicaState.WITHDRAWN in there
]


@transaction.atomic
def baseline(update: SystemUpdate) -> None:
    """Baseline a completed update: nobody is offered it any more (R212)."""
    SystemUpdate.objects.move(update, UpdateState.BASELINED, note=update.name)


@transaction.atomic
def delete(update: SystemUpdate, *, now: datetime) -> None:
    """Delete a baselined or cancelled update: its tool is withdrawn from every server (D-39).

    Its signed notices stay, and the CA certificate of the last activations with them: a lost
    device recovers by these and by nothing else (B-10).
    """
    if update.state not in MAY_DELETE or update.deleted_at is not None:
        raise Conflict(
            _("Only a baselined or cancelled update can be deleted. Nothing was changed."),
            action=_("Baseline it once it is completed."),
        )
    SystemUpdate.objects.filter(pk=update.pk).update(deleted_at=now)
    build.make_anew(update)
    Entry.objects.record(
        "delete-update", f"systemupdates.SystemUpdate:{update.pk}", note=update.name
    )
    withdraw_unneeded()


@transaction.atomic
def withdraw_unneeded() -> None:
    """Withdraw the content of deleted updates once no lost device recovers by it any more.

    An update that is deleted soon after its activation is still needed then: it ends with the
    activations that follow.
    """
    deleted = SystemUpdate.objects.exclude(deleted_at=None)
    left = deleted.filter(replicas__state__in=MAY_BE_WITHDRAWN).distinct()
    for update in [one for one in left if not needed_for_recovery(one)]:
        for replica in update.replicas.filter(state__in=MAY_BE_WITHDRAWN):
            Replica.objects.move(replica, ReplicaState.WITHDRAWN)
        servers = update.replicas.values("server")
        Device.objects.filter(pk__in=servers).update(errands=True)


def needed_for_recovery(update: SystemUpdate) -> bool:
    """Tell whether a lost device may still need this update's content."""
    activated = Notice.objects.filter(kind=Notice.Kind.ACTIVATED).order_by("-pk")
    return update.pk in activated.values_list("update", flat=True)[:RECOVERY_KEEPS]


@transaction.atomic
def clear_error(assignment: Assignment, *, now: datetime) -> None:
    """Clear the error of a device without asking it to try again; the next one shows again."""
    if assignment.state not in (A.FAILED, A.NEEDS_CRT):
        raise Conflict(
            _("There is no error to clear any more. Nothing was changed."),
            action=_("Reload the page to see how the device stands now."),
        )
    Assignment.objects.move(
        assignment,
        A.ASSIGNED,
        note=f"error cleared: {assignment.reason}"[:200],
        changed_at=now,
        reason="",
        action="",
    )
    rollout.forget(assignment.update_id)


@transaction.atomic
def refresh_device(assignment: Assignment) -> bool:
    """Let a device try again what failed as soon as it is heard (R216); True: it is heard at once.

    Devices ask the zone, the zone does not call them. A Primary Server's worker wakes its agent.
    """
    device = assignment.device
    Entry.objects.record("refresh-device", f"devices.Device:{device.pk}", note=device.name)
    Assignment.objects.filter(pk=assignment.pk, state=A.FAILED).update(redeploy=True)
    Device.objects.filter(pk=device.pk).update(errands=True, wake=True)
    return device.role == Role.PRIMARY


def heard_by(device: Device, zone: Zone) -> datetime | None:
    """Return until when a device is heard again if it is on; None for one never heard."""
    # Refreshes are spread by a fifth of the interval.
    return device.last_contact + zone.refresh * 1.2 if device.last_contact is not None else None


@transaction.atomic
def redeploy_failed(update: SystemUpdate, *, now: datetime) -> int:
    """Offer the update again to every device on which it failed (R053); returns to how many."""
    Entry.objects.queue()
    failed = Assignment.objects.filter(update=update, state=A.FAILED)
    Device.objects.filter(pk__in=failed.values("device")).update(errands=True)
    count = failed.update(state=A.ASSIGNED, changed_at=now, redeploy=True, reason="", action="")
    if not count:
        raise Conflict(_("No device has failed any more. Nothing was changed."))
    rollout.forget(update.pk)
    Entry.objects.record(
        "redeploy-failed",
        f"systemupdates.SystemUpdate:{update.pk}",
        note=update.name,
        detail={"devices": count},
    )
    return count


def signed(update: SystemUpdate, zone: Zone) -> Manifest | None:
    """Return the manifest if the zone key signed it, None where there is none or it is not so."""
    if update.envelope is None:
        return None
    try:
        return open_as(Manifest, metadata.MANIFEST, update.signed(), zone.public_key)
    except Fault:
        return None


def moment(seconds: float) -> datetime:
    """Return a time of the manifest."""
    return datetime.fromtimestamp(seconds, UTC)
