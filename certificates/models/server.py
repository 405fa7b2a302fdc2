"""The certificate a server shows, and the one it will show."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from audit.models import Moving, MovingQuerySet
from certificates.models.authority import Authority
from certificates.models.operation import Operation
from certificates.operations.states import FUTURE, GIVEN, READY, FutureState
from devices.models import Device


class ServerCertificateQuerySet(models.QuerySet["ServerCertificate"]):
    """Certificates in use."""

    def current(self) -> Self:
        """Return those that servers show now."""
        return self.filter(superseded_at=None)


class ServerCertificate(models.Model):
    """A certificate a server shows or has shown; its facts are columns, to sort and search."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="certificates")
    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="certificates")
    chain_pem = models.TextField()
    subject = models.CharField(max_length=253)
    issuer = models.CharField(max_length=500)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField(db_index=True)
    key_length = models.PositiveIntegerField()
    md5 = models.CharField(max_length=47)
    sha1 = models.CharField(max_length=59)
    sha256 = models.CharField(max_length=95)
    digest = models.CharField(max_length=64, db_index=True)
    active_since = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    objects = ServerCertificateQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "device", condition=models.Q(superseded_at=None), name="one_current_certificate"
            )
        ]
        # The table orders and counts all servers by this: without reading their chains.
        indexes: ClassVar = [
            models.Index("device", "superseded_at", "not_after", name="current_expiry")
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.digest[:8]}"

    def has_expired(self, now: datetime) -> bool:
        """Tell whether it is past its last second."""
        return now > self.not_after


class FutureCertificateQuerySet(MovingQuerySet["FutureCertificate"]):
    """Certificates on their way."""

    machine = FUTURE

    def ready(self) -> Self:
        """Return those whose certificate is there, to be activated."""
        return self.filter(state__in=READY)

    def foremost(self) -> Self:
        """Return of these the one of each server that matters: its operation's, else its first."""
        rivals = self.filter(device=models.OuterRef("device"), operation__isnull=False)
        return self.filter(models.Q(operation__isnull=False) | ~models.Exists(rivals))


class FutureCertificate(Moving):
    """The certificate a server will show after activation, from its order to its chain.

    `operation` is None for a server's first certificate. A greater `generation` asks the agent
    for a fresh key and CSR. `by_hand`: the administrator makes the request (R065).
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="futures")
    operation = models.ForeignKey(
        Operation, null=True, on_delete=models.CASCADE, related_name="futures"
    )
    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="+", null=True)
    state = models.CharField(
        max_length=24, choices=FutureState.choices, default=FutureState.AWAITED
    )
    order = models.JSONField(null=True)
    by_hand = models.BooleanField(default=False)
    generation = models.PositiveIntegerField(default=1)
    csr_pem = models.TextField(blank=True)
    chain_pem = models.TextField(blank=True)
    digest = models.CharField(max_length=64, blank=True)
    not_after = models.DateTimeField(null=True)
    made_at = models.DateTimeField(null=True)
    """When its certificate was there: signed, or imported."""
    reason = models.TextField(blank=True)
    action = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = FutureCertificateQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "device",
                condition=models.Q(operation__isnull=False)
                & ~models.Q(state__in=("active", "discarded")),
                name="one_future_certificate",
            ),
            models.UniqueConstraint(
                "device",
                condition=models.Q(operation__isnull=True)
                & ~models.Q(state__in=("active", "discarded")),
                name="one_first_certificate",
            ),
        ]
        # The table of servers reads the second for each of its rows: without reading the chains.
        indexes: ClassVar = [
            models.Index("operation", "state", name="future_status"),
            models.Index("device", "operation", "state", name="future_of_device"),
        ]

    def __str__(self) -> str:
        return f"future of {self.device_id}"

    @property
    def is_given(self) -> bool:
        """Tell whether its server may have swapped to what was imported: the go was given."""
        of = self.operation
        return self.state == FutureState.UPLOADED and of is not None and of.state in GIVEN
