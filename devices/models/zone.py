"""The zone and its settings."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from faults import NotFound

DAY = 86_400


def _seconds(default: int, least: int, most: int) -> models.PositiveIntegerField[int, int]:
    limits = [MinValueValidator(least), MaxValueValidator(most)]
    return models.PositiveIntegerField(default=default, validators=limits)


class ZoneQuerySet(models.QuerySet["Zone"]):
    """Access to the one zone of a database."""

    def get_zone(self) -> Zone:
        """Return the zone. Raise NotFound if it has not been created."""
        zone = self.first()
        if zone is None:
            missing = _("No zone has been created yet.")
            raise NotFound(missing, action=_("To create the zone, run manage.py create_zone."))
        return zone

    def advance_revision(self) -> None:
        """Give the zone a higher revision, so that devices receive the changed trust list.

        It is the time in milliseconds, or one more than before. So it also exceeds every revision
        that devices received before the database was restored from a backup.
        """
        now = int(timezone.now().timestamp() * 1000)
        self.update(revision=Greatest(F("revision") + 1, Value(now)))

    def lock(self) -> Zone:
        """Lock and return the zone, so that only one such action runs at a time."""
        return self.select_for_update().get()


class Zone(models.Model):
    """The zone and its settings (D-48). All durations are in seconds."""

    stored_summary: Any
    device_versions: Any
    """The numbers of its devices, if `certificates.summaries.zone` has read them."""

    guid = models.UUIDField(default=uuid.uuid4, unique=True)
    name = models.CharField(max_length=64)
    public_key = models.CharField(max_length=64)
    second_public_key = models.CharField(max_length=64, blank=True, default="")
    """Public part of the second zone key. Set when it is announced to devices (D-175)."""
    created_at = models.DateTimeField(auto_now_add=True)
    epoch = models.PositiveIntegerField(default=0)
    revision = models.PositiveBigIntegerField(default=1)
    """Version of the trust list (D-150). Change it only with `advance_revision`."""

    refresh_seconds = _seconds(12 * 3600, 1, 7 * DAY)
    primary_replication_seconds = _seconds(3600, 1, 7 * DAY)
    satellite_replication_seconds = _seconds(300, 1, 7 * DAY)
    bandwidth_kib = _seconds(0, 0, 10 * 1024 * 1024)
    """Replication limit of each content server in KiB per second. 0 means no limit."""
    stage_timeout_seconds = _seconds(3 * DAY, 60, 90 * DAY)
    grace_seconds = _seconds(30 * DAY, 1, 3650 * DAY)
    lead_time_seconds = _seconds(900, 1, 30 * DAY)
    freeze_seconds = _seconds(600, 1, DAY)
    server_certificate_days = _seconds(365, 1, 3650)
    renewal_days = _seconds(30, 1, 365)
    automatic_renewal = models.BooleanField(default=True)
    ready_servers = models.BooleanField(default=False)
    """Whether every Primary Server must have applied the update before a CA is activated."""
    ready_percent = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(100)])
    """Share of devices seen within `ready_days` that must pass the preflight check. 0 is off."""
    ready_days = _seconds(30, 1, 365)
    time_zone = models.CharField(max_length=64, default="UTC")
    system_trust = models.BooleanField(default=False, db_default=False)
    """Whether devices that allow it install the roots in their operating systems (D-272)."""

    objects = ZoneQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def refresh(self) -> timedelta:
        """Return the refresh interval."""
        return timedelta(seconds=self.refresh_seconds)

    @property
    def lead_time(self) -> timedelta:
        """Return the minimum time between the start of an operation and its activation."""
        return timedelta(seconds=self.lead_time_seconds)

    @property
    def freeze_period(self) -> timedelta:
        """Return how long before its activation an operation can no longer be canceled."""
        return timedelta(seconds=self.freeze_seconds)

    @property
    def grace(self) -> timedelta:
        """Return the grace period of an old root."""
        return timedelta(seconds=self.grace_seconds)


class SignedTrustList(models.Model):
    """The newest trust list with both signatures. There is at most one (D-176)."""

    version = models.PositiveBigIntegerField()
    period = models.PositiveIntegerField()
    """The day for which it was signed, as the number of days since 1970."""
    envelope = models.JSONField()

    def __str__(self) -> str:
        return f"{self.version} ({self.period})"
