"""Stored numbers about the devices of a large zone, which pages show instead of counting."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models

# Number of devices from which the numbers are stored.
LARGE_ZONE = 10_000
MIN_INTERVAL = timedelta(seconds=2)
# Counting takes longer in a larger zone, so it is done less often: at 100,000 devices, every 40
# seconds.
DEVICES_PER_SECOND = 2_500
# Stored numbers are used for this many intervals. Then, the worker does not run.
MAX_INTERVALS = 5


def get_interval(devices: int) -> timedelta:
    """Return the time between two counts of this many devices."""
    return max(MIN_INTERVAL, timedelta(seconds=devices / DEVICES_PER_SECOND))


class DeviceSummaryQuerySet(models.QuerySet["DeviceSummary"]):
    """Stored numbers by name."""

    def find_recent(self, name: str, *, now: datetime) -> DeviceSummary | None:
        """Return the numbers with a name, None if there are none or the worker does not run."""
        found = self.filter(pk=name).first()
        if found is None or now - found.taken_at > MAX_INTERVALS * get_interval(found.devices):
            return None
        return found

    def is_due(self, name: str, *, now: datetime) -> bool:
        """Return True if the numbers with a name have to be counted again."""
        row = self.filter(pk=name).values_list("taken_at", "devices").first()
        return row is None or now - row[0] >= get_interval(row[1])

    def store(self, name: str, content: dict[str, Any], *, devices: int, now: datetime) -> None:
        """Store numbers that were counted over this many devices."""
        values = {"content": content, "devices": devices, "taken_at": now}
        self.update_or_create(pk=name, defaults=values)

    def delete_old(self, now: datetime) -> None:
        """Delete numbers that have not been counted for a day, for example of deleted objects."""
        self.filter(taken_at__lt=now - timedelta(days=1)).delete()


class DeviceSummary(models.Model):
    """Numbers about many devices. They are shown only, and nothing is decided with them."""

    name = models.CharField(max_length=64, primary_key=True)
    taken_at = models.DateTimeField()
    devices = models.PositiveIntegerField()
    """The number of devices that were counted."""
    content = models.JSONField()

    objects = DeviceSummaryQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
