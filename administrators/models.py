"""Administrators, setup links, second factors, and the policies that apply to all of them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.contrib.auth.models import User
from django.db import models

from administrators.accounts.roles import BY_KEY, ROLES, SUPER, Role


class Administrator(models.Model):
    """The roles and the login method of a user."""

    class LoginMethod(models.TextChoices):
        """How the user is authenticated."""

        PASSWORD = "password", "Password"
        OIDC = "oidc", "OpenID Connect"

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="administrator"
    )
    roles = models.JSONField(default=list)
    login_method = models.CharField(
        max_length=16, choices=LoginMethod.choices, default=LoginMethod.PASSWORD
    )
    subject = models.CharField(max_length=400, blank=True, db_index=True)
    """Issuer and subject of the account at the OpenID provider, stored at the first login."""
    must_change_password = models.BooleanField(default=False)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("administer", "Manage administrators and their roles")]

    def __str__(self) -> str:
        return f"administrator {self.user_id}"


def roles_of(user: User) -> list[Role]:
    """Return the roles of a user, in the order of ROLES."""
    account = getattr(user, "administrator", None)
    keys = {SUPER} if user.is_superuser else set(account.roles if account is not None else ())
    return [role for role in ROLES if role.key in keys & set(BY_KEY)]


class SetupLinkQuerySet(models.QuerySet["SetupLink"]):
    """Queries of setup links."""

    def usable(self, now: datetime) -> Self:
        """Return the links that are unused, unexpired, and belong to an active user."""
        return self.filter(used_at=None, expires_at__gt=now, user__is_active=True)


class SetupLink(models.Model):
    """A one-time link to choose a password. Only the SHA-256 of its text is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="setup_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = SetupLinkQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"setup link of user {self.user_id}"


class SecondFactor(models.Model):
    """The authenticator of a user (TOTP). Its secret is encrypted for the Primary Servers.

    See: RFC 6238
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


class RecoveryCode(models.Model):
    """A one-time replacement for the authenticator: 120 random bits, stored as SHA-256."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint("user", "digest", name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code of user {self.user_id}"


class FailedCode(models.Model):
    """An incorrect authenticator code of a user. Kept for one hour."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="failed_codes")
    at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"failed code of user {self.user_id}"


class PoliciesQuerySet(models.QuerySet["Policies"]):
    """Queries of the only row of policies."""

    def get_current(self) -> Policies:
        """Return the policies; the unsaved defaults if none are stored."""
        return self.first() or Policies(pk=1)


class Policies(models.Model):
    """Policies for all administrators: second factor, two-administrator approval."""

    requires_second_factor = models.BooleanField(default=False)
    two_administrators = models.BooleanField(default=False)
    turn_off_requested_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    """Who requested to turn off two-administrator approval; a second one must approve."""
    turn_off_requested_at = models.DateTimeField(null=True)

    objects = PoliciesQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "account policies"
