"""Administrators, setup links, second factors, and the policies that apply to all of them."""

from __future__ import annotations

import hmac
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _

from administrators.accounts.roles import BY_KEY, ROLES, SUPER, Role
from audit.models import AuthenticatedModel, AuthenticatedQuerySet
from audit.rows import macs
from faults import Unavailable


class Administrator(models.Model):
    """The roles and the login method of a user."""

    class LoginMethod(models.TextChoices):
        """How the user is authenticated."""

        PASSWORD = "password", _("Password")
        OIDC = "oidc", _("OpenID Connect")

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


class AccountMac(AuthenticatedModel):
    """The MAC over the account of a user: password, state, roles, and rights.

    It is a table of its own, because the table of users belongs to Django.
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="account_mac"
    )
    rights = models.JSONField(default=list)
    """Rights that the user has without a role, as app.codename."""
    second_factor_mac = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    """The MAC over the authenticator of the user, or over its absence (D-210).

    It is separate, because consoles of the previous version do not know it.
    """

    objects = AuthenticatedQuerySet.as_manager()

    authenticated_fields = ("user", "rights")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.user.username

    def get_authenticated_values(self) -> dict[str, Any]:
        """Return the values of the user and of the roles that the MAC covers."""
        user, account = self.user, getattr(self.user, "administrator", None)
        return {
            **super().get_authenticated_values(),
            **{name: getattr(user, name) for name in ("username", "email", "password")},
            **{name: bool(getattr(user, name)) for name in ("is_active", "is_superuser")},
            **(
                {name: getattr(account, name) for name in ("roles", "login_method", "subject")}
                if account is not None
                else {}
            ),
        }

    def compute_second_factor_mac(self) -> str:
        """Return the MAC of the current authenticator, or "" before the zone exists."""
        held = macs.get_key()
        if held is None:
            return ""
        label = SecondFactor._meta.label
        return macs.compute(held.key, label, self._get_second_factor_values())

    def is_authentic(self) -> bool:
        """Return True if ZCC wrote the account, and set up or removed its authenticator."""
        return super().is_authentic() and macs.is_second_factor_valid(
            self.second_factor_mac, SecondFactor._meta.label, self._get_second_factor_values()
        )

    def has_second_factor_mac(self) -> bool:
        """Return True if the MAC of the authenticator is valid, also while not required."""
        return hmac.compare_digest(self.second_factor_mac, self.compute_second_factor_mac())

    def _get_second_factor_values(self) -> dict[str, Any]:
        """Return what the MAC covers. A setup that is not confirmed counts as no authenticator."""
        factor = getattr(self.user, "second_factor", None)
        if factor is None or factor.confirmed_at is None:
            return {"user": self.user_id, "encrypted": ""}
        return {
            "user": self.user_id,
            "encrypted": factor.encrypted,
            "confirmed_at": factor.confirmed_at,
        }


class SetupLinkQuerySet(AuthenticatedQuerySet["SetupLink"]):
    """Queries of setup links."""

    def usable(self, now: datetime) -> Self:
        """Return the links that are unused, unexpired, and belong to an active user."""
        return self.filter(used_at=None, expires_at__gt=now, user__is_active=True)


class SetupLink(AuthenticatedModel):
    """A one-time link to choose a password. Only the SHA-256 of its text is stored."""

    authenticated_fields = ("user", "digest", "created_at", "expires_at", "used_at")

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


class RoleRequest(AuthenticatedModel):
    """Roles of a user that are waiting for approval by a second administrator."""

    authenticated_fields = ("user", "roles", "requested_by", "requested_at")

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="role_request"
    )
    roles = models.JSONField(default=list)
    requested_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    requested_at = models.DateTimeField()

    objects = AuthenticatedQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"role request of user {self.user_id}"


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


class RecoveryCode(AuthenticatedModel):
    """A one-time replacement for the authenticator: 120 random bits, stored as SHA-256."""

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


class PoliciesQuerySet(AuthenticatedQuerySet["Policies"]):
    """Queries of the only row of policies."""

    def get_current(self) -> Policies:
        """Return the policies; the unsaved defaults if none are stored.

        If the row was altered in the database, the strictest policies apply.
        """
        stored = self.first() or Policies(pk=1)
        with suppress(Unavailable):  # without the zone keys, nothing is changed anyway
            if not stored.is_authentic():
                stored.requires_second_factor = stored.two_administrators = True
        return stored


class Policies(AuthenticatedModel):
    """Policies for all administrators: second factor, two-administrator approval."""

    authenticated_fields = (
        *("requires_second_factor", "two_administrators"),
        *("turn_off_requested_by", "turn_off_requested_at"),
    )

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
