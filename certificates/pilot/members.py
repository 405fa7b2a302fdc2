"""Choose the devices of the pilot group when the update of a new CA is assigned.

See: D-276
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from audit.models import Entry
from audit.rows import alarms
from certificates.models import Operation, PilotSettings
from devices.models import Device
from systemupdates.assignments import assignment
from systemupdates.models import SystemUpdate
from wire.messages import CERTIFIED_ROLES, FEATURE_PREFLIGHT


def load_settings(operation: Operation) -> PilotSettings | None:
    """Return the settings of the pilot group if an operation has one, otherwise None.

    An immediate activation has none: devices cannot connect until it is complete.
    """
    if not operation.changes_ca or operation.immediate:
        return None
    row = PilotSettings.objects.first()
    # With settings that were altered in the database, an administrator must decide.
    return row if row is not None and (row.is_on or not row.is_authentic()) else None


def hold_rest(operation: Operation, row: PilotSettings, *, now: datetime) -> None:
    """Let only servers and the pilot group receive the update for now. The caller has the lock."""
    operation.refresh_from_db(fields=["parameters"])
    until = now + timedelta(seconds=row.timeout_seconds)
    pilot = {"percent": row.percent, "until": until.isoformat(), "released": ""}
    operation.parameters = operation.parameters | {"pilot": pilot}
    operation.save(update_fields=["parameters"])


def mark(operation: Operation, update: SystemUpdate, row: PilotSettings) -> None:
    """Make the devices of the pilot group the pilot of an update."""
    count = 0
    if alarms.is_authentic(row):
        count = assignment.mark_pilot(update, choose(row))
    Entry.objects.record(
        "start-pilot", f"certificates.Operation:{operation.pk}", detail={"devices": count}
    )


def choose(row: PilotSettings) -> QuerySet[Device]:
    """Return the devices that the settings select now."""
    found = Device.objects.registered().exclude(role__in=CERTIFIED_ROLES)
    if row.devices:
        return found.filter(pk__in=row.devices)
    if row.roles:
        found = found.filter(role__in=row.roles)
    if not row.count:
        return found
    # Old agents make no preflight checks. What a device without features can do is not known.
    able = found.annotate(able=Cast("features", TextField()))
    able = able.filter(Q(able="[]") | Q(able__contains=f'"{FEATURE_PREFLIGHT}"'))
    recent = able.exclude(last_contact=None).order_by("-last_contact", "pk")
    return Device.objects.filter(pk__in=list(recent.values_list("pk", flat=True)[: row.count]))
