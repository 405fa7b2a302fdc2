"""Login with an OpenID provider, and the administrator that an identity belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from joserfc.errors import JoseError

from administrators.accounts import accounts
from administrators.accounts.roles import BY_KEY
from administrators.models import Administrator, roles_of
from administrators.protection import account_macs
from faults import Fault, Forbidden, Unavailable

TIMEOUT_SECONDS = 5
LoginMethod = Administrator.LoginMethod


class NotAnAdministrator(Forbidden):
    """The identity is not an administrator of this console."""

    action = gettext_lazy("Ask an administrator who can grant rights to give you access.")


@dataclass(frozen=True)
class Identity:
    """An account at the provider, and the time of its last authentication there."""

    subject: str
    name: str
    email: str
    groups: tuple[str, ...]
    authenticated_at: datetime | None

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> Identity:
        """Return the identity in the claims of a verified ID token."""
        groups = claims.get(settings.OIDC_GROUPS_CLAIM) or []
        auth_time = claims.get("auth_time")
        return cls(
            subject=f"{claims['iss']} {claims['sub']}",
            name=_get_name(claims),
            email=str(claims.get("email") or ""),
            groups=tuple(str(group) for group in groups) if isinstance(groups, list) else (),
            authenticated_at=datetime.fromtimestamp(auth_time, UTC)
            if isinstance(auth_time, int | float)
            else None,
        )

    @property
    def roles(self) -> list[str]:
        """Return the roles that the settings map to the groups."""
        mapped = [settings.OIDC_ROLES.get(group) for group in self.groups]
        return [role for role in BY_KEY if role in mapped]


def _get_name(claims: Mapping[str, Any]) -> str:
    """Return the user name; "" if it is an email address that is not verified."""
    if settings.OIDC_USER_CLAIM == "email" and claims.get("email_verified") is not True:
        return ""
    return str(claims.get(settings.OIDC_USER_CLAIM) or "")


def get_client() -> Any:
    """Return the client of the configured provider."""
    return _build_client(
        settings.OIDC_ISSUER.rstrip("/"),
        settings.OIDC_CLIENT_ID,
        settings.OIDC_CLIENT_SECRET,
        settings.OIDC_CA_FILE,
    )


@lru_cache(maxsize=4)
def _build_client(issuer: str, client_id: str, secret: str, ca_file: str) -> Any:
    return OAuth().register(
        "oidc",
        client_id=client_id,
        client_secret=secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_SECONDS,
            "verify": ca_file or True,
        },
    )


def start_login(request: Any, back: str, **more: str) -> Any:
    """Return the redirect to the provider; state, nonce, and PKCE verifier are in the session."""
    try:
        return get_client().authorize_redirect(request, back, **more)
    except (requests.RequestException, ValueError, KeyError) as error:
        raise Unavailable(
            _("%(provider)s is not responding. You have not been logged in.")
            % {"provider": settings.OIDC_NAME},
            action=_("Try again later, or log in with a password."),
        ) from error


def finish_login(request: Any) -> Identity:
    """Return the identity that the provider sent, after the ID token has been verified."""
    expected = {
        "iss": {"essential": True, "value": settings.OIDC_ISSUER.rstrip("/")},
        "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "nonce": {"essential": True},
    }
    try:
        token = get_client().authorize_access_token(request, claims_options=expected)
        return Identity.from_claims(token["userinfo"])
    except requests.RequestException as error:
        text = gettext_noop("%(provider)s is not responding.")
        raise build_fault(Unavailable, text, provider=settings.OIDC_NAME) from error
    except (AuthlibBaseError, JoseError, ValueError, KeyError) as error:
        text = gettext_noop(
            "%(provider)s could not verify your identity (%(error)s). You have not been logged in."
        )
        reason, action = type(error).__name__, _("Start again from the login page.")
        values = {"provider": settings.OIDC_NAME, "error": reason}
        raise build_fault(Forbidden, text, action=action, **values) from error


@transaction.atomic
def get_or_create_administrator(identity: Identity, *, now: datetime) -> User:
    """Return the administrator of an identity; create it if a group is mapped to a role.

    The first login binds the account to the subject at the provider, so another person who gets
    the same name later is rejected. An account with a password is never bound.
    """
    user = _find_bound(identity) or _bind_expected(identity) or _create(identity, now)
    if user is None:
        text = gettext_noop("%(name)s is not an administrator of this zone.")
        raise build_fault(NotAnAdministrator, text, name=identity.name or identity.subject)
    if not user.is_active:
        text = gettext_noop("The account %(user)s is deactivated.")
        raise build_fault(NotAnAdministrator, text, user=user.username)
    return _update_roles(user, identity, now)


def _find_bound(identity: Identity) -> User | None:
    bound = Administrator.objects.filter(subject=identity.subject, login_method=LoginMethod.OIDC)
    found = bound.select_related("user").first()
    if found is not None:
        account_macs.check(found.pk)
    return found.user if found is not None else None


def _bind_expected(identity: Identity) -> User | None:
    """Bind and return the account with this name that has not logged in yet."""
    unbound = Administrator.objects.filter(
        user__username__iexact=identity.name, login_method=LoginMethod.OIDC, subject=""
    )
    found = unbound.select_related("user").first() if identity.name else None
    if found is None:
        return None
    account_macs.check(found.pk)
    if not unbound.filter(pk=found.pk).update(subject=identity.subject):
        return None
    account_macs.stamp(found.pk)
    return found.user


def _create(identity: Identity, now: datetime) -> User | None:
    taken = User.objects.filter(username__iexact=identity.name).exists()
    if not identity.name or not identity.roles or taken:
        return None
    new = accounts.NewAdministrator(identity.name, identity.email, identity.roles, LoginMethod.OIDC)
    user, _link = accounts.create_administrator(new, by=settings.OIDC_NAME, now=now)
    Administrator.objects.filter(user=user).update(subject=identity.subject)
    account_macs.stamp(user.pk)
    return user


def _update_roles(user: User, identity: Identity, now: datetime) -> User:
    """Set the roles of the groups if the settings map groups to roles."""
    if not settings.OIDC_ROLES:
        return user
    if not identity.roles:
        text = gettext_noop("None of the groups of %(user)s is mapped to a role.")
        raise build_fault(NotAnAdministrator, text, user=user.username)
    if [role.key for role in roles_of(user)] != identity.roles:
        accounts.set_roles(user.pk, identity.roles, by=None, now=now)
    return User.objects.select_related("administrator").get(pk=user.pk)


def build_fault(kind: type[Fault], text: str, *, action: str = "", **values: str) -> Fault:
    """Return a fault in the language of the user, with the English text as its note."""
    fault = kind(_(text) % values, action=action)
    fault.add_note(text % values)
    return fault


def describe_fault(fault: Fault) -> str:
    """Return a fault in English, as the note of an audit entry."""
    notes = getattr(fault, "__notes__", [])
    return f"OpenID Connect: {' '.join(notes) or type(fault).__name__}"
