"""Which summaries have to be stored: none in a small zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db.models import QuerySet

from certificates.models import Operation
from certificates.summaries import operations
from certificates.summaries import zone as zone_summary
from devices.models import Device, DeviceSummary, Zone
from devices.models import summary as stored

Step = Callable[[Zone, datetime], None]


def list_due(now: datetime) -> list[Step]:
    """Return the functions that store the summaries that are due."""
    if not is_large():
        return []
    steps: list[Step] = [zone_summary.store] if zone_summary.is_due(now) else []
    due = (one for one in _list_shown() if operations.is_due(one, now=now))
    return [*steps, *(partial(_store_operation, operation) for operation in due)]


def store_due(now: datetime) -> None:
    """Store the summaries that are due, and delete those that are no longer stored."""
    zone = Zone.objects.get_zone()
    for step in list_due(now):
        step(zone, now)
    DeviceSummary.objects.delete_old(now)


def is_large() -> bool:
    """Return True if the zone has so many devices that summaries are stored."""
    return list_beyond_small().exists()


def list_beyond_small() -> QuerySet[Device]:
    """Return the device with which a zone is large, none in a small zone."""
    large = stored.LARGE_ZONE
    return Device.objects.registered().order_by()[large - 1 : large]


def _list_shown() -> list[Operation]:
    """Return the operations in progress, and the one that ended last."""
    found = Operation.objects.select_related("update", "authority", "future_authority")
    last = found.filter(ended_at__isnull=False).order_by("-ended_at")[:1]
    return [*found.in_progress(), *last]


def _store_operation(operation: Operation, zone: Zone, now: datetime) -> None:
    operations.store(operation, zone, now=now)
