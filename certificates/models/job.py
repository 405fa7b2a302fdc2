"""Work on the CA key that one Primary Server's worker alone can do: move, back up, restore."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models

from audit.models import Moving, MovingQuerySet
from certificates.models.authority import Authority
from certificates.operations.states import JOB, JobState
from devices.models import Device

ANSWER_WITHIN = timedelta(seconds=30)
KEPT = timedelta(minutes=10)
# Whoever asked first need not be there at the minute in which the second one agrees.
KEPT_FOR_TWO = timedelta(hours=24)


class JobQuerySet(MovingQuerySet["VaultJob"]):
    """Jobs by who has to do them."""

    machine = JOB


class VaultJob(Moving):
    """One job for one server's worker.

    `sealed` holds a passphrase sealed to that server's vault key, `payload` the backup file
    handed in, `result` the encrypted backup to download. All three are emptied at the end.
    """

    class Kind(models.TextChoices):
        """The button of the CA pane."""

        MOVE = "move", "Move CA Role"
        BACKUP = "backup", "Backup CA"
        RESTORE = "restore", "Restore CA"
        ADOPT = "adopt", "Change CA to that of a backup"

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=24, choices=JobState.choices, default=JobState.WAITING)
    server = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="+")
    authority = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="+")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True)
    """When a second administrator agreed, where two are needed (B-29)."""
    sealed = models.TextField(blank=True)
    payload = models.BinaryField(default=b"")
    result = models.BinaryField(default=b"")
    reason = models.TextField(blank=True)
    action = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(state="waiting"), name="one_vault_job"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} on {self.server_id}"

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether its server should have answered by now."""
        asked_at = self.confirmed_at or self.created_at
        return self.state == JobState.WAITING and now - asked_at > ANSWER_WITHIN
