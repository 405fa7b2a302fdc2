"""User preferences, API tokens, and the heartbeats of background tasks."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """The language, time zone, and table columns of a user, and the last expiry warnings."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    time_zone = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=16, blank=True, default="", db_default="")
    """A language of the console, or empty for that of the browser (D-236)."""
    columns = models.JSONField(default=dict, blank=True)
    warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of user {self.user_id}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Queries of API tokens."""

    def usable(self, now: datetime) -> Self:
        """Return the tokens of active users that are neither revoked nor expired."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(unexpired, revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """A bearer token of a program that acts for a user. Only its SHA-256 is stored.

    It has those of its `rights` that the user still has; without rights it can only read.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    # A token that was created with another token is revoked together with it.
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )
    name = models.CharField(max_length=50)
    digest = models.CharField(max_length=64, unique=True)
    rights = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    row_mac = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    """The MAC over user, digest, rights, and expiration; see administrators.protection."""
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("view_metrics", "View metrics")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "user", "name", condition=models.Q(revoked_at=None), name="api_token_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    """Times of background tasks by name."""

    def record(self, name: str, at: datetime) -> None:
        """Store the time of a heartbeat: one statement, except for the first time."""
        if not self.filter(name=name).update(at=at):
            self.get_or_create(name=name, defaults={"at": at})


class Heartbeat(models.Model):
    """The time at which a background task last ran."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"
