"""Baseline and delete updates, retry them on devices, and verify their signed manifests.

See: D-39
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from devices.identity import zone_keys
from devices.models import Device, Role, Zone
from faults import Conflict, Fault
from systemupdates.assignments import rollout
from systemupdates.models import Assignment, Replica, SystemUpdate, TrustNotice
from systemupdates.updates.states import ERRORS, REPLICA, AssignmentState, ReplicaState, UpdateState
from wire import metadata
from wire.metadata import Manifest, verify_document

A = AssignmentState
DELETABLE = (UpdateState.BASELINED, UpdateState.CANCELED)
# Number of activations whose content is kept for the recovery of devices that lost contact.
KEPT_FOR_RECOVERY = 3
WITHDRAWABLE = REPLICA.states_before(ReplicaState.WITHDRAWN)


@transaction.atomic
def baseline(update: SystemUpdate) -> None:
    """Baseline a completed update, so that it is no longer offered to devices."""
    SystemUpdate.objects.transition(update, UpdateState.BASELINED, note=update.name)


@transaction.atomic
def delete(update: SystemUpdate, *, now: datetime) -> None:
    """Delete a baselined or canceled update, and its Certificate Remint Tool on every server.

    Its signed trust notices, and the content of the last activations, are kept for the recovery of
    devices that lost contact.
    """
    if update.state not in DELETABLE or update.deleted_at is not None:
        raise Conflict(
            _("Only a baselined or canceled update can be deleted. Nothing was changed."),
            action=_("Baseline the update after it is complete."),
        )
    # The scheduler then lets every server withdraw its tool.
    SystemUpdate.objects.filter(pk=update.pk).update(deleted_at=now)
    Entry.objects.record(
        "delete-update", f"systemupdates.SystemUpdate:{update.pk}", note=update.name
    )
    withdraw_unneeded_content()


@transaction.atomic
def withdraw_unneeded_content() -> None:
    """Withdraw the content of deleted updates that is no longer needed for recovery.

    An update that is deleted soon after its activation is needed until later activations follow.
    """
    deleted = SystemUpdate.objects.exclude(deleted_at=None)
    stored = deleted.filter(replicas__state__in=WITHDRAWABLE).distinct()
    for update in [update for update in stored if not is_needed_for_recovery(update)]:
        for replica in update.replicas.filter(state__in=WITHDRAWABLE):
            Replica.objects.transition(replica, ReplicaState.WITHDRAWN)
        servers = update.replicas.values("server")
        Device.objects.filter(pk__in=servers).update(has_pending_work=True)


def is_needed_for_recovery(update: SystemUpdate) -> bool:
    """Return True if devices that lost contact might need the content of this update."""
    activated = TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATED).order_by("-pk")
    return update.pk in activated.values_list("update", flat=True)[:KEPT_FOR_RECOVERY]


@transaction.atomic
def clear_error(assignment: Assignment, *, now: datetime) -> None:
    """Clear the error of a device. The device does not retry the update."""
    if assignment.state not in ERRORS:
        raise Conflict(
            _("The error has already been cleared. Nothing was changed."),
            action=_("Reload the page to see the current status of the device."),
        )
    Assignment.objects.transition(
        assignment,
        A.ASSIGNED,
        note=f"error cleared: {assignment.reason}"[:200],
        changed_at=now,
        reason="",
        action="",
    )
    rollout.discard_counts(assignment.update_id)


@transaction.atomic
def refresh_device(assignment: Assignment) -> bool:
    """Retry a failed update at the next contact. Return True if that contact is immediate.

    The console cannot contact devices. Only the agents of Primary Servers can be notified, by
    their workers.
    """
    device = assignment.device
    Entry.objects.record("refresh-device", f"devices.Device:{device.pk}", note=device.name)
    Assignment.objects.filter(pk=assignment.pk, state=A.FAILED).update(redeploy=True)
    Device.objects.filter(pk=device.pk).update(has_pending_work=True, refresh_requested=True)
    return device.role == Role.PRIMARY


def get_next_contact(device: Device, zone: Zone) -> datetime | None:
    """Return the latest time of the next contact, None if the device had no contact yet."""
    # Agents vary the refresh interval by up to 20%.
    return device.last_contact + zone.refresh * 1.2 if device.last_contact is not None else None


@transaction.atomic
def redeploy_failed(update: SystemUpdate, *, now: datetime) -> int:
    """Redeploy the update to every device on which it failed. Return the number of devices."""
    Entry.objects.lock_checkpoint()
    failed = Assignment.objects.filter(update=update, state=A.FAILED)
    Device.objects.filter(pk__in=failed.values("device")).update(has_pending_work=True)
    count = failed.update(state=A.ASSIGNED, changed_at=now, redeploy=True, reason="", action="")
    if not count:
        raise Conflict(_("There are no longer any failed devices. Nothing was changed."))
    rollout.discard_counts(update.pk)
    Entry.objects.record(
        "redeploy-failed",
        f"systemupdates.SystemUpdate:{update.pk}",
        note=update.name,
        detail={"devices": count},
    )
    return count


def get_verified_manifest(update: SystemUpdate, zone: Zone) -> Manifest | None:
    """Return the signed manifest, None if it is missing or the signature is not valid."""
    if update.envelope is None:
        return None
    try:
        return verify_document(
            Manifest, metadata.MANIFEST, update.get_envelope(), zone_keys.get_public_keys(zone)
        )
    except Fault:
        return None
