"""Total work durations of all workers, for the metrics."""

from __future__ import annotations

from django.db import models
from django.db.models import F


class WorkDurationQuerySet(models.QuerySet["WorkDuration"]):
    """Updates of the totals."""

    def add(self, name: str, count: int, seconds: float) -> None:
        """Add to a total. Concurrent calls are safe."""
        more = {"count": F("count") + count, "seconds": F("seconds") + seconds}
        if not self.filter(name=name).update(**more):
            self.get_or_create(name=name)
            self.filter(name=name).update(**more)


class WorkDuration(models.Model):
    """How often a kind of work was done, and its total duration in seconds."""

    SIGNING = "signing"

    name = models.CharField(max_length=32, primary_key=True)
    count = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)

    objects = WorkDurationQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.count}"
