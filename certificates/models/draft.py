"""Drafts of wizards. The id of a draft is the idempotency key of the operation it starts."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models

from audit.models import AuthenticatedModel, AuthenticatedQuerySet

DRAFT_LIFETIME = timedelta(days=1)


class DraftQuerySet(AuthenticatedQuerySet["Draft"]):
    """Queries for the drafts of a user."""

    def alive(self, user: User, kind: str, now: datetime) -> Self:
        """Return the drafts of a user that have not expired."""
        return self.filter(user=user, kind=kind, created_at__gt=now - DRAFT_LIFETIME)

    def begin(self, user: User, kind: str, *, now: datetime, data: dict[str, Any]) -> Draft:
        """Create a draft and delete all expired drafts."""
        self.filter(created_at__lte=now - DRAFT_LIFETIME).delete()
        return self.create(user=user, kind=kind, created_at=now, data=data)


class Draft(AuthenticatedModel):
    """The input of a wizard, by step.

    Secrets in `data` are encrypted for the server that needs them. `guid` becomes the idempotency
    key of the operation, so that Finish works once. The row has a MAC, because operations are
    created from it: a root in a draft becomes the root of the zone (D-240).
    """

    authenticated_fields = ("guid", "user", "kind", "data", "created_at")

    class Kind(models.TextChoices):
        """The wizard or dialog of the draft."""

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

    def put(self, **values: Any) -> None:
        """Add values to the data and save it."""
        self.data = {**self.data, **values}
        self.save(update_fields=["data"])
