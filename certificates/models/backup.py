"""The last backup of a Primary Server, and the last drill that restored one."""

from __future__ import annotations

from django.db import models

from devices.models import Device


class BackupStatus(models.Model):
    """What is known about the backups of a Primary Server whose worker creates them.

    Without backups, a server has no row. The row is information for administrators only: a drill
    uses the files, and not this row.
    """

    server = models.OneToOneField(
        Device, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    attempted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(null=True)
    """When the last backup was created."""
    ca_sha256 = models.CharField(max_length=64, blank=True)
    """The SHA-256 fingerprint of the zone CA in the last backup."""
    size = models.BigIntegerField(default=0)
    fault = models.TextField(blank=True)
    """Why the last attempt to create a backup failed."""
    drilled_at = models.DateTimeField(null=True)
    drill_fault = models.TextField(blank=True)
    """Why the last drill failed."""
    proven_at = models.DateTimeField(null=True)
    """When a drill last restored a backup."""
    proven_created_at = models.DateTimeField(null=True)
    """When this backup was created."""
    drill_seconds = models.FloatField(default=0)
    """Duration of the last drill that restored a backup."""

    def __str__(self) -> str:
        return f"backups of {self.server_id}"
