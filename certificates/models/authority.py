"""Certificate authorities of the zone, their cross-certificates, and issued serial numbers."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import AuthenticatedModel, StatefulModel, StatefulQuerySet
from certificates.operations.states import AUTHORITY, AuthorityState
from devices.models import Device
from faults import NotFound

# The prefix of `sealed_key` for a key in a PKCS #11 token.
PKCS11_PREFIX = "pkcs11:"


class AuthorityQuerySet(StatefulQuerySet["Authority"]):
    """Queries for certificate authorities by state."""

    machine = AUTHORITY

    def internal(self) -> Self:
        """Return the CAs whose key is in the zone."""
        return self.exclude(kind=Authority.Kind.EXTERNAL)

    def current(self) -> Authority:
        """Return the zone CA, or raise NotFound."""
        current = self.filter(state=AuthorityState.CURRENT)
        found = current.select_related("certificate_server").first()
        if found is None:
            raise NotFound(_("The zone does not have a certificate authority."))
        return found


class Authority(AuthenticatedModel, StatefulModel):
    """A zone CA. `sealed_key` is encrypted for its certificate server, "" for an external CA.

    `intermediates_pem` of a subordinate CA is the chain from its certificate by another CA to the
    root of that CA, lowest first. `csr_pem` is its CSR until this chain has been imported and the
    root that devices trust has been signed.
    """

    authenticated_fields = (
        *("guid", "kind", "state", "root_pem", "intermediates_pem", "sha256"),
        *("certificate_server", "sealed_key", "epoch", "grace_until"),
    )

    class Kind(models.TextChoices):
        """Whether a server of the zone or an external CA issues the certificates.

        The key of a subordinate CA is in the zone, and another CA has certified it (D-295).
        """

        INTERNAL = "internal", gettext_lazy("Internal")
        SUBORDINATE = "subordinate", gettext_lazy("Subordinate")
        EXTERNAL = "external", gettext_lazy("External")

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=24, choices=AuthorityState.choices)
    root_pem = models.TextField()
    intermediates_pem = models.TextField(blank=True)
    csr_pem = models.TextField(blank=True, default="", db_default="")
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
    # The error of the last self-check, "" if the CA can sign.
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
        """Return True if a server of the zone issues the certificates."""
        return self.kind != self.Kind.EXTERNAL

    @property
    def is_subordinate(self) -> bool:
        """Return True if another CA has certified the key of this internal CA, or will do so."""
        return self.kind == self.Kind.SUBORDINATE

    @property
    def awaits_certificate(self) -> bool:
        """Return True if the CSR of a subordinate CA has to be signed and its chain imported."""
        return bool(self.csr_pem) and not self.intermediates_pem

    @property
    def has_token_key(self) -> bool:
        """Return True if the key is in a PKCS #11 token, which does not export it."""
        return self.sealed_key.startswith(PKCS11_PREFIX)

    @property
    def needs_backup(self) -> bool:
        """Return True if the key is on one server only and can be exported."""
        return self.is_internal and not self.has_token_key

    @property
    def remaining_key(self) -> str:
        """Return the `sealed_key` after retirement: a token key must still be destroyed."""
        return self.sealed_key if self.has_token_key else ""

    def has_expired(self, now: datetime) -> bool:
        """Return True if the CA certificate has expired."""
        return now > self.not_after


class CrossCertificate(models.Model):
    """A cross-certificate: the key of `subject`, signed by `issuer`.

    See: RFC 4210 4.4; D-29
    """

    issuer = models.ForeignKey(
        Authority, on_delete=models.CASCADE, related_name="cross_certificates_signed"
    )
    subject = models.ForeignKey(
        Authority, on_delete=models.CASCADE, related_name="cross_certificates"
    )
    pem = models.TextField()
    not_after = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("issuer", "subject", name="one_cross_certificate_per_pair")
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} by {self.issuer_id}"


class IssuedCertificate(models.Model):
    """An issued serial number. The row is stored before the certificate is signed."""

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
