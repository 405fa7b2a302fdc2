"""A dialog of several pages while it is filled in; its id makes the operation it starts unique."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models

KEPT = timedelta(days=1)


class DraftQuerySet(models.QuerySet["Draft"]):
    """Drafts by whose they are; one of another user is as good as none."""

    def alive(self, user: User, kind: str, now: datetime) -> Self:
        """Return the drafts of one user that have not expired."""
        return self.filter(user=user, kind=kind, created_at__gt=now - KEPT)

    def begin(self, user: User, kind: str, *, now: datetime, data: dict[str, Any]) -> Draft:
        """Make a draft; those that nobody finished within a day are dropped."""
        self.filter(created_at__lte=now - KEPT).delete()
        return self.create(user=user, kind=kind, created_at=now, data=data)


class Draft(models.Model):
    """What a user has entered so far, by step.

    What is secret is in `data` only sealed to the one server that is to open it.
    `guid` becomes the idempotency key of the operation, so that Finish works once.
    """

    class Kind(models.TextChoices):
        """The dialog it belongs to."""

        CHANGE_CA = "change-ca", "Change Certificate Authority"
        REMINT = "remint-certificate", "Remint Certificate"
        GENERATE = "generate-csr", "Generate CSR"
        IMPORT = "import-certificate", "Import Certificate"
        ZIP = "csr-zip", "Download CSRs to Zip File"

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=24, choices=Kind.choices)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_index=True)

    objects = DraftQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}"

    def put(self, **parts: Any) -> None:
        """Keep parts of what was entered."""
        self.data = {**self.data, **parts}
        self.save(update_fields=["data"])
