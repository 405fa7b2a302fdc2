"""Models of administrators: roles, MACs, setup links, and requested roles."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _

from administrators.accounts.roles import BY_KEY, ROLES, SUPER, Role
from administrators.models.second_factors import SecondFactor
from audit.models import AuthenticatedModel, AuthenticatedQuerySet
from audit.rows import macs


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
    """The MAC over the authenticator of the user, or over its absence (D-210), and the passkeys.

    It is separate, because consoles of the previous version do not know it.
    """
    passkeys = models.TextField(blank=True, default="", db_default="", editable=False)
    """A line for each passkey: its host name and digest. The MAC of second factors covers it.

    So a passkey that was deleted or inserted with SQL is noticed without a further query (D-254).
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
        """Return the MAC of the second factors, or "" before the zone exists."""
        held = macs.get_key()
        if held is None:
            return ""
        label = SecondFactor._meta.label
        return macs.compute(held.key, label, self._get_second_factor_values())

    def list_passkeys(self) -> list[str]:
        """Return the lines of the passkeys: host name, space, digest."""
        return self.passkeys.splitlines()

    def is_authentic(self) -> bool:
        """Return True if ZCC wrote the account, and set up or removed its second factors."""
        return super().is_authentic() and macs.is_second_factor_valid(
            self.second_factor_mac, SecondFactor._meta.label, self._get_second_factor_values()
        )

    def has_second_factor_mac(self) -> bool:
        """Return True if the MAC of second factors is valid, also while not required."""
        return hmac.compare_digest(self.second_factor_mac, self.compute_second_factor_mac())

    def _get_second_factor_values(self) -> dict[str, Any]:
        """Return what the MAC covers. A setup that is not confirmed counts as no authenticator.

        Without passkeys, the values are those of the version that had no passkeys.
        """
        values: dict[str, Any] = {"user": self.user_id, "encrypted": ""}
        factor = getattr(self.user, "second_factor", None)
        if factor is not None and factor.confirmed_at is not None:
            values |= {"encrypted": factor.encrypted, "confirmed_at": factor.confirmed_at}
        if self.passkeys:
            values["passkeys"] = self.passkeys
        return values


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
