"""Let users in and out, with a line in the ledger for each, and for each refusal (S-43).

How Django proves users and finds their rights: password, roles, code of the authenticator.
"""

from __future__ import annotations

from typing import Any

from django.contrib import auth
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from administrators.accounts.roles import rights_of
from administrators.login import second_factor
from administrators.models import Rules, roles_of
from audit.chain.actor import acting
from audit.models import Entry
from console.access.reauthentication import remember_proof
from devices.middleware import actor_of

BACKEND = "administrators.login.login.PasswordAndRoles"
# What a session must see to before any other page.
MUST = "must"
PASSWORD, FACTOR = "password", "factor"


def enter(request: Any, user: User, *, how: str) -> None:
    """Log a user in with a new session; no trace, no login."""
    with transaction.atomic():
        auth.login(request, user, backend=BACKEND)
        remember_proof(request)
        request.session["how"] = how
        must = next_duty(user)
        if must:
            request.session[MUST] = must
        with acting(actor_of(request)):
            Entry.objects.record("login", f"auth.User:{user.pk}", note=how)


def leave(request: Any) -> None:
    """Log out: the session ends on the server, too."""
    with transaction.atomic():
        Entry.objects.record("logout", f"auth.User:{request.user.pk}")
        auth.logout(request)


def next_duty(user: User) -> str:
    """Return what a user has to do before anything else, "" for nothing."""
    kept = getattr(user, "administrator", None)
    if kept is not None and kept.must_change_password:
        return PASSWORD
    by_password = kept is None or kept.signs_in == kept.SignsIn.PASSWORD
    if by_password and not second_factor.is_on(user) and Rules.objects.the().requires_second_factor:
        return FACTOR
    return ""


def done(request: Any) -> None:
    """See what a session has to do next, after one duty was done."""
    request.session.pop(MUST, None)
    fresh = User.objects.select_related("administrator", "second_factor").get(pk=request.user.pk)
    must = next_duty(fresh)
    if must:
        request.session[MUST] = must


def note_failure(request: Any, username: str, reason: str) -> None:
    """Write a failed proof down. A name that nobody has is not: it may be a mistyped password."""
    user = User.objects.filter(username=username).first()
    subject = f"auth.User:{user.pk}" if user is not None else "auth.User:unknown"
    with acting(actor_of(request, user.username if user is not None else "unknown")):
        Entry.objects.record("login-failed", subject, note=reason)


def note_refusal(request: Any, note: str) -> None:
    """Write down that somebody whom a provider sent was not let in."""
    name = request.user.get_username() or "unknown"
    with acting(actor_of(request, name)):
        Entry.objects.record("login-failed", "auth.User:unknown", note=note)


class PasswordAndRoles(ModelBackend):
    """Proves a password. A user's rights are those of the roles, and those given singly."""

    def authenticate(
        self, request: Any, username: Any = None, password: Any = None, **kwargs: Any
    ) -> Any:
        """Return the user of name and password, None for a wrong one."""
        return super().authenticate(request, username=username, password=password, **kwargs)

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return every right of an active user."""
        single: set[str] = super().get_all_permissions(user_obj, obj)
        if not single and not user_obj.is_active:
            return set()
        return single | rights_of(role.key for role in roles_of(user_obj))

    def get_user(self, user_id: Any) -> Any:
        """Return an active user with what every page needs of them, in one query."""
        known = User.objects.select_related("administrator", "second_factor", "preferences")
        user = known.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class Code(BaseBackend):
    """Proves a code of the authenticator, or a recovery code, of somebody known by password.

    It stands among the backends so that wrong codes count towards the lock-out (S-82).
    """

    def authenticate(  # type: ignore[override]  # Django tells backends apart by these names
        self, request: Any, username: str = "", code: str = ""
    ) -> User | None:
        """Return the user if the code is right."""
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None or not code:
            return None
        return user if second_factor.prove(user, code, now=timezone.now()) else None
