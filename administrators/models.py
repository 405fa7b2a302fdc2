"""Administrators, their set-up links and second factors, and the rules for all of them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.contrib.auth.models import User
from django.db import models

from administrators.accounts.roles import BY_KEY, ROLES, SUPER, Role


class Administrator(models.Model):
    """What the console knows of a user besides name and password: roles, and how they log in."""

    class SignsIn(models.TextChoices):
        """Where the user proves who they are."""

        PASSWORD = "password", "Password"
        OIDC = "oidc", "OpenID Connect"

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="administrator"
    )
    roles = models.JSONField(default=list)
    signs_in = models.CharField(max_length=16, choices=SignsIn.choices, default=SignsIn.PASSWORD)
    subject = models.CharField(max_length=400, blank=True, db_index=True)
    """Who they are at the OpenID provider: issuer and subject, bound at the first login."""
    must_change_password = models.BooleanField(default=False)
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        default_permissions = ()
        permissions: ClassVar = [("administer", "Create administrators and decide on their roles")]

    def __str__(self) -> str:
        return f"administrator {self.user_id}"


def roles_of(user: User) -> list[Role]:
    """Return the roles of a user, in the order of the table of roles."""
    kept = getattr(user, "administrator", None)
    keys = {SUPER} if user.is_superuser else set(kept.roles if kept is not None else ())
    return [role for role in ROLES if role.key in keys & set(BY_KEY)]


class SetupLinkQuerySet(models.QuerySet["SetupLink"]):
    """Links by which a new administrator chooses a password."""

    def usable(self, now: datetime) -> Self:
        """Return those that still open something."""
        return self.filter(used_at=None, expires_at__gt=now, user__is_active=True)


class SetupLink(models.Model):
    """A link that lets its holder choose a password, once; only its SHA-256 is kept (S-83)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="setup_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = SetupLinkQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"set-up link of {self.user_id}"


class SecondFactor(models.Model):
    """A user's authenticator (TOTP, RFC 6238). Its secret is sealed to the Primary Servers."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="second_factor"
    )
    sealed = models.TextField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)
    """The time step of the last code that was taken: none is taken twice."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"


class RecoveryCode(models.Model):
    """Stands for the authenticator once. Only the SHA-256 is kept: the code has 120 random bits."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint("user", "digest", name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"


class RulesQuerySet(models.QuerySet["Rules"]):
    """There is one row of rules."""

    def the(self) -> Rules:
        """Return the rules; those of a new zone where none were set yet."""
        return self.first() or Rules(pk=1)


class Rules(models.Model):
    """What holds for all administrators: second factor, two administrators for the CA (B-29)."""

    requires_second_factor = models.BooleanField(default=False)
    two_administrators = models.BooleanField(default=False)
    end_asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    """Who asked to end the rule of two; a second administrator has to agree."""
    end_asked_at = models.DateTimeField(null=True)

    objects = RulesQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "rules for administrators"
