"""The zone's authorities: current, future, in grace; their bridges; every serial they gave out."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext as _

from audit.models import Moving, MovingQuerySet
from certificates.operations.states import AUTHORITY, AuthorityState
from devices.models import Device
from faults import NotFound

# What `sealed_key` begins with where the key is inside a PKCS#11 token (B-27).
PKCS11 = "pkcs11:"


class AuthorityQuerySet(MovingQuerySet["Authority"]):
    """Authorities by their place in the life of the zone."""

    machine = AUTHORITY

    def current(self) -> Authority:
        """Return the zone CA; raises NotFound in a zone without one."""
        current = self.filter(state=AuthorityState.CURRENT)
        found = current.select_related("certificate_server").first()
        if found is None:
            raise NotFound(_("The zone has no certificate authority."))
        return found


class Authority(Moving):
    """A zone CA. `sealed_key` opens on its certificate server alone; external ones have none."""

    class Kind(models.TextChoices):
        """Who issues (R007, R008)."""

        INTERNAL = "internal", "Internal"
        EXTERNAL = "external", "External"

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=24, choices=AuthorityState.choices)
    root_pem = models.TextField()
    intermediates_pem = models.TextField(blank=True)
    subject = models.CharField(max_length=500)
    common_name = models.CharField(max_length=64)
    key_length = models.PositiveIntegerField()
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    sha256 = models.CharField(max_length=64, unique=True)
    certificate_server = models.ForeignKey(
        Device, null=True, on_delete=models.PROTECT, related_name="authorities"
    )
    sealed_key = models.TextField(blank=True)
    epoch = models.PositiveIntegerField(default=0)
    activated_at = models.DateTimeField(null=True)
    grace_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # What its last self-check found (S-11); "" where it can sign.
    fault = models.TextField(blank=True)
    fault_action = models.TextField(blank=True)
    checked_at = models.DateTimeField(null=True)

    objects = AuthorityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "authorities"
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(state="current"), name="one_current_authority"
            ),
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(state="future"), name="one_future_authority"
            ),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def is_internal(self) -> bool:
        """Tell whether a ZENworks server issues (R007)."""
        return self.kind == self.Kind.INTERNAL

    @property
    def has_token_key(self) -> bool:
        """Tell whether its key is inside a PKCS#11 token, which never gives it out."""
        return self.sealed_key.startswith(PKCS11)

    @property
    def left_of_key(self) -> str:
        """Return what its row keeps when the CA has ended: a token's key is yet to be destroyed."""
        return self.sealed_key if self.has_token_key else ""

    def has_expired(self, now: datetime) -> bool:
        """Tell whether its certificate is past its last second."""
        return now > self.not_after

    def expires_within(self, now: datetime, span: timedelta) -> bool:
        """Tell whether it ends within the span, or has ended."""
        return self.not_after - now < span


class Bridge(models.Model):
    """A cross-certificate: `subject`'s key signed by `issuer` (D-29, RFC 4210, 4.4)."""

    issuer = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="bridges_signed")
    subject = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="bridges")
    pem = models.TextField()
    not_after = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("issuer", "subject", name="one_bridge_each_way")
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} by {self.issuer_id}"


class Issued(models.Model):
    """A serial number given out; the row stands before the key is touched (S-4)."""

    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="issued")
    serial = models.CharField(max_length=40)
    purpose = models.CharField(max_length=16)
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL, related_name="+")
    subject = models.CharField(max_length=500)
    created_at = models.DateTimeField(auto_now_add=True)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("authority", "serial", name="serial_once_per_issuer")
        ]

    def __str__(self) -> str:
        return self.serial
