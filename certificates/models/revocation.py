"""Revoked server certificates, and the revocation lists (CRLs) of the zone's CAs."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.models import AuthenticatedModel, AuthenticatedQuerySet
from certificates.models.authority import Authority
from devices.models import Device


class RevocationQuerySet(AuthenticatedQuerySet["Revocation"]):
    """Queries for revocations."""

    def effective(self, at: datetime) -> Self:
        """Return the revocations of certificates that have not expired."""
        return self.filter(not_after__gt=at)


class Revocation(AuthenticatedModel):
    """A revoked server certificate. The row outlives the records of certificate and device.

    `digest` is the SHA-256 of the certificate, `signed_part` that of the part its issuer signed,
    by which devices recognize it.

    See: RFC 5280 5.3; D-264
    """

    authenticated_fields = (
        *("authority", "serial", "digest", "signed_part", "not_after"),
        *("reason", "revoked_at"),
    )

    class Reason(models.TextChoices):
        """Why a certificate was revoked (RFC 5280 5.3.1)."""

        KEY_COMPROMISE = "key-compromise", _("The private key might be known to others")
        SUPERSEDED = "superseded", _("The certificate was replaced")
        CESSATION = "cessation-of-operation", _("The server is no longer in operation")
        AFFILIATION_CHANGED = "affiliation-changed", _("The names no longer belong to the server")
        UNSPECIFIED = "unspecified", _("Another reason")

    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="revocations")
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL, related_name="+")
    subject = models.CharField(max_length=253)
    serial = models.CharField(max_length=40)
    digest = models.CharField(max_length=64, unique=True)
    signed_part = models.CharField(max_length=64)
    not_after = models.DateTimeField(db_index=True)
    reason = models.CharField(max_length=24, choices=Reason.choices)
    revoked_at = models.DateTimeField()
    revoked_by = models.CharField(max_length=150, blank=True)
    """The user name of the administrator, "" if the console has revoked it."""

    objects = RevocationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-revoked_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.subject} {self.digest[:8]}"


class RevocationList(models.Model):
    """The last CRL of a CA. It is signed, so the row has no MAC.

    `last_revocation` is the key of the newest revocation that it contains, 0 if it is empty.
    """

    authority = models.OneToOneField(
        Authority, on_delete=models.CASCADE, related_name="revocation_list"
    )
    key_id = models.CharField(max_length=64, db_index=True)
    """The key identifier of the CA (hex), which is part of the address."""
    number = models.PositiveBigIntegerField()
    issued_at = models.DateTimeField()
    next_update = models.DateTimeField()
    last_revocation = models.BigIntegerField(default=0)
    der = models.BinaryField()

    def __str__(self) -> str:
        return f"CRL {self.number} of {self.authority_id}"


class OcspResponse(models.Model):
    """The OCSP responses about a certificate, signed in advance. They are signed, so it has no MAC.

    `digest` is the SHA-256 of the certificate, `serial` its number (hex). `sha1` and `sha256` are
    the responses to requests with these hashes, empty if the CA has not issued the certificate.
    `saw_revocation`: there was a revocation of the certificate when they were signed.
    """

    authority = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    serial = models.CharField(max_length=40, db_index=True)
    not_after = models.DateTimeField()
    saw_revocation = models.BooleanField(default=False)
    this_update = models.DateTimeField()
    next_update = models.DateTimeField()
    sha1 = models.BinaryField()
    sha256 = models.BinaryField()

    class Meta:
        indexes: ClassVar = [models.Index("authority", "this_update", name="ocsp_renewal")]

    def __str__(self) -> str:
        return f"OCSP {self.serial}"
