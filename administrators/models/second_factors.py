"""Models of second factors: authenticators, passkeys, recovery codes, and what was used."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models

from audit.models import AuthenticatedModel, AuthenticatedQuerySet
from audit.rows import macs


class SecondFactor(models.Model):
    """The authenticator of a user (TOTP). Its secret is encrypted for the Primary Servers.

    Its MAC is in the AccountMac of the user, so that deleting the row is noticed, too.

    See: RFC 6238; D-210
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="second_factor"
    )
    encrypted = models.TextField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)
    """The time step of the last accepted code. Codes of this or an earlier step are rejected."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"second factor of user {self.user_id}"


class Passkey(AuthenticatedModel):
    """A passkey of a user: the public key of a credential that belongs to one host name.

    The AccountMac of the user lists all passkeys, so that deleting the row is noticed, too.

    See: Web Authentication Level 3; D-253, D-254
    """

    authenticated_fields = (
        *("user", "rp_id", "digest", "credential_id", "public_key", "name"),
        *("sign_count", "created_at", "last_used_at"),
    )

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    rp_id = models.CharField(max_length=253)
    """The host name of the console for which the passkey was created."""
    digest = models.CharField(max_length=64, unique=True)
    """The SHA-256 of the credential ID."""
    credential_id = models.TextField()
    """The credential ID in Base64url."""
    public_key = models.TextField()
    """The public key as a COSE key in Base64url."""
    name = models.CharField(max_length=60)
    sign_count = models.BigIntegerField(default=0)
    """The highest signature counter that the passkey has sent. It is 0 if it has no counter."""
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    objects = AuthenticatedQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint("user", "name", name="passkey_name_once")]

    def __str__(self) -> str:
        return f"passkey {self.name} of user {self.user_id}"

    @property
    def list_entry(self) -> str:
        """The line of this passkey in the AccountMac of its user."""
        return f"{self.rp_id} {self.digest}"

    def is_authentic(self) -> bool:
        """Return True if ZCC wrote the row, and has not removed the passkey since."""
        mac = getattr(self.user, "account_mac", None)
        is_listed = mac is not None and self.list_entry in mac.list_passkeys()
        return is_listed and super().is_authentic()


class RecoveryCode(AuthenticatedModel):
    """A one-time replacement for the second factor: 120 random bits, stored as SHA-256."""

    authenticated_fields = ("user", "digest", "used_at")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    objects = AuthenticatedQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint("user", "digest", name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code of user {self.user_id}"

    def is_authentic(self) -> bool:
        """Return True if ZCC wrote the row, or if recovery codes need no MAC yet."""
        return macs.is_second_factor_valid(
            self.row_mac, self._meta.label, self.get_authenticated_values()
        )


class FailedCode(models.Model):
    """An incorrect authenticator code of a user. Kept for one hour."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="failed_codes")
    at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"failed code of user {self.user_id}"


class UsedChallenge(models.Model):
    """A challenge that a response of a passkey has used. The primary key allows it only once.

    Sessions cannot ensure this: two requests read the same session before one of them stores it.

    See: D-277
    """

    digest = models.CharField(max_length=64, primary_key=True)
    """The SHA-256 of the challenge."""
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"used challenge {self.digest[:8]}"
