"""Maintenance windows, change freezes, and the pilot group: rules of the zone for operations."""

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


class PilotSettings(AuthenticatedModel):
    """The settings of the pilot group. Without the row, there is none.

    The members are the devices with the IDs in `devices`. If there are no IDs, they are the devices
    with one of the `roles`, or with any role if that is empty, too. If `count` is not 0, they are
    only that many of them: those with the most recent contact.
    """

    authenticated_fields = (
        *("is_on", "devices", "roles", "count"),
        *("percent", "timeout_seconds"),
    )

    is_on = models.BooleanField(default=False)
    devices = models.JSONField(default=list)
    roles = models.JSONField(default=list)
    count = models.PositiveIntegerField(default=0)
    percent = models.PositiveSmallIntegerField(default=100)
    """The share of the members that must pass the preflight check."""
    timeout_seconds = models.PositiveIntegerField(default=86_400)

    objects: ClassVar = AuthenticatedQuerySet["PilotSettings"].as_manager()

    def __str__(self) -> str:
        return "pilot group"
