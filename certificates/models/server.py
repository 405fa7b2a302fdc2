"""Current, previous, and future certificates of servers."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext as _

from audit.models import AuthenticatedModel, StatefulModel, StatefulQuerySet
from certificates.models.authority import Authority
from certificates.models.operation import Operation
from certificates.models.revocation import Revocation
from certificates.operations.states import ACTIVATION_ORDERED, FUTURE, READY, FutureState
from devices.models import Device


class ServerCertificateQuerySet(models.QuerySet["ServerCertificate"]):
    """Queries for server certificates."""

    def current(self) -> Self:
        """Return the certificates in use."""
        return self.filter(superseded_at=None)


class ServerCertificate(models.Model):
    """A current or previous certificate of a server. Its fields are columns for sorting."""

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
        # A covering index for the table of servers, so that the chains are not read.
        indexes: ClassVar = [
            models.Index("device", "superseded_at", "not_after", name="current_expiry")
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.digest[:8]}"

    def has_expired(self, now: datetime) -> bool:
        """Return True if the certificate has expired."""
        return now > self.not_after

    @property
    def revocation(self) -> Revocation | None:
        """The revocation of the certificate, or None."""
        return Revocation.objects.filter(digest=self.digest).first()


class FutureCertificateQuerySet(StatefulQuerySet["FutureCertificate"]):
    """Queries for future certificates."""

    machine = FUTURE

    def ready(self) -> Self:
        """Return those with a certificate that can be activated."""
        return self.filter(state__in=READY)

    def one_per_device(self) -> Self:
        """Return one per server: that of its operation, otherwise its initial certificate."""
        rivals = self.filter(device=models.OuterRef("device"), operation__isnull=False)
        return self.filter(models.Q(operation__isnull=False) | ~models.Exists(rivals))


class FutureCertificate(AuthenticatedModel, StatefulModel):
    """The certificate that a server uses after activation, from its request to its chain.

    `operation` is None for the initial certificate of a server. If `generation` increases, the
    agent generates a new key and CSR. With `manual_csr`, the administrator generates the CSR.
    """

    # The other columns are checked when the certificate is signed, or by the server that gets it.
    authenticated_fields = ("device", "operation", "csr_pem")

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="futures")
    operation = models.ForeignKey(
        Operation, null=True, on_delete=models.CASCADE, related_name="futures"
    )
    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="+", null=True)
    state = models.CharField(
        max_length=24, choices=FutureState.choices, default=FutureState.AWAITED
    )
    csr_parameters = models.JSONField(null=True)
    manual_csr = models.BooleanField(default=False)
    generation = models.PositiveIntegerField(default=1)
    csr_pem = models.TextField(blank=True)
    chain_pem = models.TextField(blank=True)
    digest = models.CharField(max_length=64, blank=True)
    not_after = models.DateTimeField(null=True)
    available_at = models.DateTimeField(null=True)
    """When the certificate was signed or imported."""
    reason = models.TextField(blank=True)
    action = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    claimed_until = models.DateTimeField(null=True)
    """Until when a worker that signs this CSR keeps other workers from it (D-306)."""

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
                name="one_initial_certificate",
            ),
        ]
        # The table of servers uses the second index for each row, so that chains are not read.
        indexes: ClassVar = [
            models.Index("operation", "state", name="future_status"),
            models.Index("device", "operation", "state", name="future_of_device"),
        ]

    def __str__(self) -> str:
        return f"new certificate of {self.device_id}"

    @property
    def state_label(self) -> str:
        """Return the state in words. With an internal CA, administrators handle no CSRs (D-257)."""
        if self.state == FutureState.AWAITED and self._is_for_internal_ca:
            return _("New certificate pending")
        return self.get_state_display()

    @property
    def _is_for_internal_ca(self) -> bool:
        if self.authority is not None:
            return self.authority.is_internal
        # The new CA of an operation is stored when it has been created.
        return self.operation is not None and not self.operation.parameters.get("external")

    @property
    def is_activation_ordered(self) -> bool:
        """Return True if the server might already use the imported certificate."""
        of = self.operation
        return (
            self.state == FutureState.UPLOADED and of is not None and of.state in ACTIVATION_ORDERED
        )
