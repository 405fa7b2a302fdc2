"""How long work takes in the workers, which no other process could tell."""

from __future__ import annotations

from django.db import models
from django.db.models import F


class TallyQuerySet(models.QuerySet["Tally"]):
    """Sums by the name of what was done."""

    def add(self, name: str, count: int, seconds: float) -> None:
        """Add to one sum; several workers may do so at once."""
        more = {"count": F("count") + count, "seconds": F("seconds") + seconds}
        if not self.filter(name=name).update(**more):
            self.get_or_create(name=name)
            self.filter(name=name).update(**more)


class Tally(models.Model):
    """How often something was done, and how many seconds that took in all."""

    SIGNING = "signing"

    name = models.CharField(max_length=32, primary_key=True)
    count = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)

    objects = TallyQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.name}: {self.count}"
