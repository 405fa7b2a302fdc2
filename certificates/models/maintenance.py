"""Maintenance windows and change freezes, which restrict when certificates are activated."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from audit.models import AuthenticatedModel, AuthenticatedQuerySet


class MaintenanceWindow(AuthenticatedModel):
    """A recurring time in which certificates may be activated.

    `rule` has the lines DTSTART, DURATION, and RRULE of RFC 5545, in the time zone of the zone.
    """

    authenticated_fields = ("name", "rule")

    name = models.CharField(max_length=64, unique=True)
    rule = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = AuthenticatedQuerySet["MaintenanceWindow"].as_manager()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class ChangeFreezeQuerySet(AuthenticatedQuerySet["ChangeFreeze"]):
    """Change freezes."""

    def not_over(self, now: datetime) -> Self:
        """Return those that have not ended."""
        return self.filter(ends_at__gt=now)


class ChangeFreeze(AuthenticatedModel):
    """A period in which nothing is activated, also if a maintenance window is open."""

    authenticated_fields = ("begins_at", "ends_at", "reason")

    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = ChangeFreezeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["begins_at"]

    def __str__(self) -> str:
        return self.reason
