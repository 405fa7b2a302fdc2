"""ACME (RFC 8555) and EST (RFC 7030): account keys, accounts, orders, and certificates.

What a certificate is signed for has MACs: the permitted names, the account, the order, and the
result of each validation. See: D-300
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from audit.models import AuthenticatedModel, AuthenticatedQuerySet
from certificates.models.authority import Authority
from certificates.models.revocation import Revocation

EST_PREFIX = "est:"
"""The start of the thumbprint of an account of EST clients. A thumbprint contains no colon."""


class AcmeAccountKeyQuerySet(AuthenticatedQuerySet["AcmeAccountKey"]):
    """ACME account keys."""

    def enabled(self) -> Self:
        """Return the keys whose accounts can request certificates."""
        return self.filter(disabled_at=None)

    def usable(self, now: datetime) -> Self:
        """Return the keys with which new accounts can be registered."""
        return self.enabled().filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now))

    def of_est(self) -> Self:
        """Return the keys with which EST clients can request certificates."""
        return self.enabled().filter(allows_est=True)


class AcmeAccountKey(AuthenticatedModel):
    """A key with which hosts register ACME accounts, and the names that these may request.

    The secret is not stored. It is derived from the zone master and `key_id`. If the key allows
    EST, it is also the user name and password of EST clients (D-313).
    """

    authenticated_fields = (
        *("key_id", "names", "created_by", "expires_at", "disabled_at", "allows_est"),
    )

    key_id = models.CharField(max_length=43, unique=True)
    label = models.CharField(max_length=64)
    names = models.JSONField(default=list)
    """Permitted names: `host.example.com`, or `*.example.com` for all names below a domain."""
    allows_est = models.BooleanField(default=False, db_default=False)
    created_by = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AcmeAccountKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return self.label


class AcmeAccount(AuthenticatedModel):
    """An account of an ACME client: its public key (JWK), and the key it registered with.

    All EST clients of an account key share one account. It has no public key.
    """

    authenticated_fields = ("guid", "account_key", "jwk", "thumbprint", "deactivated_at")

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account_key = models.ForeignKey(
        AcmeAccountKey, on_delete=models.PROTECT, related_name="accounts"
    )
    jwk = models.JSONField()
    thumbprint = models.CharField(max_length=43, unique=True)
    """The SHA-256 of the public key (RFC 7638), which identifies it, or `est:` and a number."""
    contacts = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    deactivated_at = models.DateTimeField(null=True)

    objects: ClassVar = AuthenticatedQuerySet["AcmeAccount"].as_manager()

    def __str__(self) -> str:
        return self.thumbprint[:8]

    @property
    def is_of_est(self) -> bool:
        """Return True for the account of the EST clients of an account key."""
        return self.thumbprint.startswith(EST_PREFIX)


class AcmeOrder(AuthenticatedModel):
    """An order of a certificate. Its status follows from its columns and authorizations."""

    authenticated_fields = ("guid", "account", "names", "csr_pem", "replaces", "expires_at")

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(AcmeAccount, on_delete=models.CASCADE, related_name="orders")
    names = models.JSONField()
    csr_pem = models.TextField(blank=True)
    problem = models.JSONField(null=True)
    """Why no certificate was issued, as a problem document (RFC 9457)."""
    replaces = models.ForeignKey(
        "AcmeCertificate", null=True, on_delete=models.SET_NULL, related_name="replacements"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    """Until when only one worker signs the certificate."""

    objects: ClassVar = AuthenticatedQuerySet["AcmeOrder"].as_manager()

    class Meta:
        indexes: ClassVar = [models.Index("account", "created_at", name="acme_orders")]

    def __str__(self) -> str:
        return ", ".join(self.names)[:100]


class AcmeAuthorization(AuthenticatedModel):
    """The proof that a client controls one name of its order, with one of three methods."""

    authenticated_fields = ("guid", "order", "name", "token", "method", "validated_at")

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(AcmeOrder, on_delete=models.CASCADE, related_name="authorizations")
    name = models.CharField(max_length=253)
    token = models.CharField(max_length=43)
    method = models.CharField(max_length=16, blank=True)
    """The type of the challenge that the client has selected."""
    requested_at = models.DateTimeField(null=True)
    validated_at = models.DateTimeField(null=True)
    problem = models.JSONField(null=True)

    objects: ClassVar = AuthenticatedQuerySet["AcmeAuthorization"].as_manager()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class AcmeCertificateQuerySet(AuthenticatedQuerySet["AcmeCertificate"]):
    """Certificates of hosts with an ACME or EST client."""

    def in_use(self, now: datetime) -> Self:
        """Return those that hosts use: fetched, not replaced, not expired, and not revoked."""
        rows = self.filter(fetched_at__isnull=False, replaced_at=None, not_after__gt=now)
        return rows.exclude(digest__in=Revocation.objects.values("digest"))


class AcmeCertificate(AuthenticatedModel):
    """A certificate of a host without an agent, which its ACME or EST client requested."""

    authenticated_fields = ("guid", "account", "authority", "digest")

    guid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.OneToOneField(
        AcmeOrder, null=True, on_delete=models.SET_NULL, related_name="certificate"
    )
    account = models.ForeignKey(AcmeAccount, on_delete=models.PROTECT, related_name="certificates")
    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="+")
    subject = models.CharField(max_length=253)
    names = models.JSONField()
    chain_pem = models.TextField()
    serial = models.CharField(max_length=40, db_index=True)
    digest = models.CharField(max_length=64, unique=True)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField(db_index=True)
    fetched_at = models.DateTimeField(null=True)
    """When the client has downloaded the chain."""
    replaced_at = models.DateTimeField(null=True)
    """When the client has downloaded a later certificate for the same names."""

    objects = AcmeCertificateQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.subject} {self.digest[:8]}"


class AcmeNonce(models.Model):
    """A nonce that a client has used. It is deleted when the nonce has expired."""

    value = models.CharField(max_length=64, unique=True)
    used_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.value
