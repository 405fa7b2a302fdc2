"""Who an OpenID provider says somebody is, and which administrator that makes them (B-21)."""

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
from joserfc.errors import JoseError

from administrators.accounts import accounts
from administrators.accounts.roles import BY_KEY
from administrators.models import Administrator, roles_of
from faults import Fault, Forbidden, Unavailable

ANSWERS_WITHIN = 5
SignsIn = Administrator.SignsIn


class NotLetIn(Forbidden):
    """The provider knows them, this console does not."""

    action = "Ask an administrator who may grant rights to let you in."


@dataclass(frozen=True)
class Identity:
    """Who somebody is at the provider, and when they last proved it there."""

    subject: str
    name: str
    email: str
    groups: tuple[str, ...]
    proved_at: datetime | None

    @classmethod
    def read(cls, claims: Mapping[str, Any]) -> Identity:
        """Read the claims of an ID token that was verified."""
        groups = claims.get(settings.OIDC_GROUPS_CLAIM) or []
        proved = claims.get("auth_time")
        return cls(
            subject=f"{claims['iss']} {claims['sub']}",
            name=_name(claims),
            email=str(claims.get("email") or ""),
            groups=tuple(str(group) for group in groups) if isinstance(groups, list) else (),
            proved_at=datetime.fromtimestamp(proved, UTC)
            if isinstance(proved, int | float)
            else None,
        )

    @property
    def roles(self) -> list[str]:
        """Return the roles that the groups give, as the installation says."""
        given = [settings.OIDC_ROLES.get(group) for group in self.groups]
        return [role for role in BY_KEY if role in given]


def _name(claims: Mapping[str, Any]) -> str:
    """Return the name to know them by; an address that nobody verified is none."""
    if settings.OIDC_USER_CLAIM == "email" and claims.get("email_verified") is not True:
        return ""
    return str(claims.get(settings.OIDC_USER_CLAIM) or "")


def client() -> Any:
    """Return the client of the provider that the settings name."""
    return _client(
        settings.OIDC_ISSUER.rstrip("/"),
        settings.OIDC_CLIENT_ID,
        settings.OIDC_CLIENT_SECRET,
        settings.OIDC_CA_FILE,
    )


@lru_cache(maxsize=4)
def _client(issuer: str, client_id: str, secret: str, ca_file: str) -> Any:
    return OAuth().register(
        "oidc",
        client_id=client_id,
        client_secret=secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": ANSWERS_WITHIN,
            "verify": ca_file or True,
        },
    )


def begin(request: Any, back: str, **more: str) -> Any:
    """Return the redirect to the provider; state, nonce and PKCE verifier stay in the session."""
    try:
        return client().authorize_redirect(request, back, **more)
    except (requests.RequestException, ValueError, KeyError) as error:
        raise Unavailable(
            f"{settings.OIDC_NAME} does not answer. You are not logged in.",
            action="Try again later, or use an account with a password.",
        ) from error


def finish(request: Any) -> Identity:
    """Return who came back from the provider, after every check of the ID token."""
    expected = {
        "iss": {"essential": True, "value": settings.OIDC_ISSUER.rstrip("/")},
        "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "nonce": {"essential": True},
    }
    try:
        token = client().authorize_access_token(request, claims_options=expected)
        return Identity.read(token["userinfo"])
    except requests.RequestException as error:
        raise Unavailable(f"{settings.OIDC_NAME} does not answer.") from error
    except (AuthlibBaseError, JoseError, ValueError, KeyError) as error:
        raise Forbidden(
            f"{settings.OIDC_NAME} did not prove who you are ({type(error).__name__}). "
            "You are not logged in.",
            action="Start again from the login page.",
        ) from error


@transaction.atomic
def administrator_of(who: Identity, *, now: datetime) -> User:
    """Return the administrator somebody is; those whom a group lets in are made here.

    The first login binds the account to the subject of the provider: a name that somebody else
    gets there later opens nothing. An account with a password is never taken over.
    """
    user = _bound(who) or _expected(who) or _made(who, now)
    if user is None:
        raise NotLetIn(f"{who.name or 'This account'} is no administrator here.")
    if not user.is_active:
        raise NotLetIn(f"{user.username} is deactivated.")
    return _with_roles(user, who)


def _bound(who: Identity) -> User | None:
    kept = Administrator.objects.filter(subject=who.subject, signs_in=SignsIn.OIDC)
    found = kept.select_related("user").first()
    return found.user if found is not None else None


def _expected(who: Identity) -> User | None:
    """Return the account that waits for its first login under this name."""
    waiting = Administrator.objects.filter(
        user__username__iexact=who.name, signs_in=SignsIn.OIDC, subject=""
    )
    found = waiting.select_related("user").first() if who.name else None
    if found is None or not waiting.filter(pk=found.pk).update(subject=who.subject):
        return None
    return found.user


def _made(who: Identity, now: datetime) -> User | None:
    taken = User.objects.filter(username__iexact=who.name).exists()
    if not who.name or not who.roles or taken:
        return None
    order = accounts.NewAdministrator(who.name, who.email, who.roles, SignsIn.OIDC)
    user, _link = accounts.create(order, by=settings.OIDC_NAME, now=now)
    Administrator.objects.filter(user=user).update(subject=who.subject)
    return user


def _with_roles(user: User, who: Identity) -> User:
    """Give the roles of the groups, where the installation maps groups to roles."""
    if not settings.OIDC_ROLES:
        return user
    if not who.roles:
        raise NotLetIn(f"No group of {user.username} gives a role here.")
    if [role.key for role in roles_of(user)] != who.roles:
        accounts.set_roles(user.pk, who.roles, by=user)
    return User.objects.select_related("administrator").get(pk=user.pk)


def explain(fault: Fault) -> str:
    """Return a fault in one line for the ledger."""
    return f"OpenID Connect: {fault.explanation}"
