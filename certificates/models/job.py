"""Jobs on the CA key, which only the worker of one Primary Server can run."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models import AuthenticatedModel, StatefulModel, StatefulQuerySet
from certificates.models.authority import Authority
from certificates.operations.states import JOB, JobState
from devices.models import Device

RESPONSE_TIMEOUT = timedelta(seconds=30)
RESULT_KEPT = timedelta(minutes=10)
# With two-administrator approval, the requester might not be present at the time of the approval.
APPROVED_RESULT_KEPT = timedelta(hours=24)


class JobQuerySet(StatefulQuerySet["VaultJob"]):
    """Queries for CA key jobs."""

    machine = JOB

    def backups(self, authority: Authority) -> Self:
        """Return the backups of a CA that were created."""
        return self.filter(kind=VaultJob.Kind.BACKUP, state=JobState.DONE, authority=authority)


class VaultJob(AuthenticatedModel, StatefulModel):
    """A CA key job for the worker of one server.

    `sealed` contains a passphrase encrypted for the vault key of that server, `payload` an
    uploaded backup, and `result` the encrypted backup to download. All three are cleared later.
    """

    authenticated_fields = (
        *("guid", "kind", "state", "server", "target", "authority", "requested_by"),
        *("approved_by", "approved_at", "confirmed_at", "sealed", "payload", "created_at"),
    )

    class Kind(models.TextChoices):
        """The action that created the job."""

        MOVE = "move", _("Move CA Role")
        BACKUP = "backup", _("Backup CA")
        RESTORE = "restore", _("Restore CA")
        ADOPT = "adopt", _("Change CA to a CA from a backup")

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=24, choices=JobState.choices, default=JobState.WAITING)
    server = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="+")
    authority = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="+")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_at = models.DateTimeField(null=True)
    """The time of the approval by a second administrator, if required."""
    confirmed_at = models.DateTimeField(null=True)
    confirmation = models.CharField(max_length=64, blank=True, default="", db_default="")
    """The MAC that `manage.py confirm_job` made on the certificate server (D-172)."""
    sealed = models.TextField(blank=True)
    payload = models.BinaryField(default=b"")
    result = models.BinaryField(default=b"")
    reason = models.TextField(blank=True)
    action = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
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
        """Return True if the server has not responded within RESPONSE_TIMEOUT."""
        requested_at = self.confirmed_at or self.approved_at or self.created_at
        return self.state == JobState.WAITING and now - requested_at > RESPONSE_TIMEOUT
