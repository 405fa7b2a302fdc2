"""What one device gets with its refresh: updates to apply, notices, what to leave alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.models import Device
from systemupdates.models import Assignment, Notice
from systemupdates.updates.states import AssignmentState, UpdateState
from wire.envelope import Envelope

A = AssignmentState
OVER = (UpdateState.COMPLETED, UpdateState.BASELINED, UpdateState.CANCELED)


@dataclass
class Errands:
    """Everything of updates that waits for one device."""

    updates: list[Envelope] = field(default_factory=list)
    notices: list[Envelope] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    redeploy: list[str] = field(default_factory=list)
    left_out: bool = False
    """An update that is still under way leaves the device out: an answer may get lost."""

    @property
    def any(self) -> bool:
        """Tell whether something waits, so that the device stays marked."""
        return bool(self.updates or self.notices or self.redeploy or self.left_out)


def errands_of(device: Device) -> Errands:
    """Gather what waits for a device; one look at its assignments and their notices."""
    found = Errands()
    rows = (
        Assignment.objects.filter(device=device)
        .exclude(state__in=(A.PENDING, A.ACTIVATED))
        .select_related("update")
    )
    for row in rows:
        if row.state == A.CANCELED:
            if not row.told:
                found.notices += _notices(row, Notice.Kind.CANCEL, Notice.Kind.ROLLBACK)
        elif row.state == A.IGNORED:
            found.ignored.append(str(row.update_id))
            found.left_out = found.left_out or row.update.state not in OVER
        elif row.update.envelope is not None:
            found.updates.append(row.update.signed())
            found.notices += _notices(row, Notice.Kind.GO)
            if row.redeploy:
                found.redeploy.append(str(row.update_id))
    return found


def _notices(row: Assignment, *kinds: str) -> list[Envelope]:
    notices = Notice.objects.filter(update_id=row.update_id, kind__in=kinds).order_by("pk")
    return [notice.signed() for notice in notices]
