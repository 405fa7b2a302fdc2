"""Registration keys, and the encrypted zone keys."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from audit.models import AuthenticatedModel, AuthenticatedQuerySet
from devices.models.device import Device, Role


class RegistrationKeyQuerySet(AuthenticatedQuerySet["RegistrationKey"]):
    """Registration keys."""

    def usable(self, now: datetime) -> Self:
        """Return the keys that are not revoked, expired, or used up."""
        return self.filter(revoked_at=None, uses_left__gt=0).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class RegistrationKey(AuthenticatedModel):
    """A registration key. Only the SHA-256 of its secret is stored."""

    authenticated_fields = (
        *("digest", "role", "approves", "domains", "networks", "device"),
        *("created_by", "expires_at", "revoked_at"),
    )

    label = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=32, choices=Role.choices, default=Role.MANAGED)
    approves = models.BooleanField(default=False)
    domains = models.JSONField(default=list, blank=True)
    """Domains whose servers this key approves (D-140)."""
    networks = models.JSONField(default=list, blank=True)
    """Networks, in CIDR notation, whose devices this key approves (D-140)."""
    device = models.CharField(max_length=64, blank=True)
    """The name of the only device that can use this key, "" for any (D-141)."""
    uses = models.PositiveIntegerField(default=1)
    uses_left = models.PositiveIntegerField(default=1)
    created_by = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RegistrationKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return self.label

    @property
    def approves_servers(self) -> bool:
        """Return True if servers that use this key need no approval."""
        return self.approves and self.role != Role.MANAGED

    @property
    def is_without_limits(self) -> bool:
        """Return True for a key of an earlier version, which no longer approves servers."""
        return self.approves_servers and not (self.domains and self.networks)


class ZoneKey(models.Model):
    """A secret of the zone, encrypted for one Primary Server."""

    class Kind(models.TextChoices):
        """The secrets of the zone."""

        SIGNING = "signing", "Zone key"
        MASTER = "master", "Zone master key"
        SECOND = "second", "Second zone key"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    server = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="zone_keys")
    blob = models.TextField()
    signature = models.CharField(max_length=100, blank=True, default="", db_default="")
    """The signature of the zone key (Base64), so that no other key is accepted in its place."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("kind", "server", name="zone_key_once_per_server")
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.server}"
