"""Updates and trust notices for the refresh response of a device."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import QuerySet

from devices.models import Device
from systemupdates.models import Assignment, TrustNotice
from systemupdates.updates.states import AssignmentState, UpdateState
from wire.envelope import Envelope

A = AssignmentState
OVER = (UpdateState.COMPLETED, UpdateState.BASELINED, UpdateState.CANCELED)


@dataclass
class PendingItems:
    """The updates, trust notices, and instructions that a device has not processed yet."""

    updates: list[Envelope] = field(default_factory=list)
    notices: list[Envelope] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    redeploy: list[str] = field(default_factory=list)
    is_ignored: bool = False
    """Whether an open update ignores the device. It is sent again in case a response was lost."""

    def __bool__(self) -> bool:
        return bool(self.updates or self.notices or self.redeploy or self.is_ignored)


def get_pending_items(device: Device, superseded: Collection[UUID] = ()) -> PendingItems:
    """Return the pending items of a device, without `superseded` updates."""
    found = PendingItems()
    for row in list_open_assignments(device).select_related("update"):
        if row.state == A.CANCELED:
            if not row.cancellation_acknowledged:
                found.notices += _notices(
                    row, TrustNotice.Kind.CANCELLATION, TrustNotice.Kind.ROLLBACK
                )
        elif row.state == A.IGNORED:
            found.ignored.append(str(row.update_id))
            found.is_ignored = found.is_ignored or row.update.state not in OVER
        elif row.update.envelope is not None and row.update_id not in superseded:
            found.updates.append(row.update.get_envelope())
            found.notices += _notices(row, TrustNotice.Kind.ACTIVATION_ORDER)
            if row.redeploy:
                found.redeploy.append(str(row.update_id))
    return found


def list_open_assignments(device: Device) -> QuerySet[Assignment]:
    """Return the assignments of a device that can have pending items."""
    return Assignment.objects.filter(device=device).exclude(state__in=(A.PENDING, A.ACTIVATED))


def _notices(row: Assignment, *kinds: str) -> list[Envelope]:
    notices = TrustNotice.objects.filter(update_id=row.update_id, kind__in=kinds).order_by("pk")
    return [notice.get_envelope() for notice in notices]
