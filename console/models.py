"""What belongs to a user: preferences and API tokens; and the pulse of the background work."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """Time zone and table columns of one user, and when expiry warnings were told last."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    time_zone = models.CharField(max_length=64, blank=True)
    columns = models.JSONField(default=dict, blank=True)
    warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Tokens of the REST API."""

    def usable(self, now: datetime) -> Self:
        """Return those not revoked and not expired, of users who may still log in."""
        alive = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(alive, revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """A secret that lets a program act for its user. Only its SHA-256 is kept: it is random.

    It may do what `rights` names and its user still may; without rights it reads only.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=50)
    digest = models.CharField(max_length=64, unique=True)
    rights = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("view_metrics", "Read the metrics")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "user", "name", condition=models.Q(revoked_at=None), name="api_token_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Pulse(models.Model):
    """When a part that works in the background was last seen at work."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"
