"""Login, logout, and authentication backends. Each login is recorded in the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import auth
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from administrators.accounts.roles import rights_of
from administrators.login import second_factor
from administrators.models import Policies, roles_of
from administrators.passkeys import challenges, passkeys, sites
from administrators.protection import account_macs
from audit.chain.actor import acting_as
from audit.models import Entry, EntryLimit
from console.access.reauthentication import record_authentication
from console.requests.networks import get_network
from devices.middleware import get_actor

BACKEND = "administrators.login.login.PasswordBackend"
# Session key of a step that is required before any other page.
REQUIRED_STEP = "must"
PASSWORD, FACTOR = "password", "factor"


def log_in(request: Any, user: User, *, method: str) -> None:
    """Start a session of a user and record it; without an audit entry there is no login."""
    with transaction.atomic():
        auth.login(request, user, backend=BACKEND)
        record_authentication(request)
        request.session["how"] = method
        _store_required_step(request, user)
        with acting_as(get_actor(request)):
            Entry.objects.record("login", f"auth.User:{user.pk}", note=method)


def log_out(request: Any) -> None:
    """End the session on the server and record the logout."""
    with transaction.atomic():
        Entry.objects.record("logout", f"auth.User:{request.user.pk}")
        auth.logout(request)


def next_required_step(user: User) -> str:
    """Return the step that a user must complete before any other page, "" if there is none."""
    account = getattr(user, "administrator", None)
    if account is not None and account.must_change_password:
        return PASSWORD
    by_password = account is None or account.login_method == account.LoginMethod.PASSWORD
    if (
        by_password
        and not second_factor.is_on(user)
        and Policies.objects.get_current().requires_second_factor
    ):
        return FACTOR
    return ""


def update_required_step(request: Any) -> None:
    """Store the next required step of a session after one was completed."""
    request.session.pop(REQUIRED_STEP, None)
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    fresh = users.get(pk=request.user.pk)
    _store_required_step(request, fresh)


def _store_required_step(request: Any, user: User) -> None:
    step = next_required_step(user)
    if step:
        request.session[REQUIRED_STEP] = step


def record_failure(request: Any, username: str, reason: str) -> None:
    """Record a failed login; an unknown user name is omitted because it might be a password.

    Failures of unknown names are counted separately, so that they cannot hide those of accounts.
    """
    user = User.objects.filter(username=username).first()
    if user is None:
        _record_unknown(request, reason)
        return
    limit = _get_limit(request, "login-failed")
    with acting_as(get_actor(request, user.username)):
        Entry.objects.record_limited(limit, "login-failed", f"auth.User:{user.pk}", note=reason)


def _get_limit(request: Any, kind: str) -> EntryLimit:
    return EntryLimit.of_address(get_network(request.META.get("REMOTE_ADDR", "")), kind)


def _record_unknown(request: Any, note: str) -> None:
    limit = _get_limit(request, "login-failed:unknown")
    with acting_as(get_actor(request, "unknown")):
        Entry.objects.record_limited(limit, "login-failed", "auth.User:unknown", note=note)


def record_delay(request: Any, username: str) -> None:
    """Record that logins of a user are delayed; nothing is recorded for an unknown user name."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return
    limit = EntryLimit.of_account(user.pk, "login-delayed")
    subject = f"auth.User:{user.pk}"
    with acting_as(get_actor(request, user.username)):
        Entry.objects.record_limited(limit, "login-delayed", subject, note=user.username)


def record_rejection(request: Any, note: str) -> None:
    """Record a login that was rejected after authentication by an OpenID provider."""
    name = request.user.get_username()
    if not name:
        _record_unknown(request, note)
        return
    with acting_as(get_actor(request, name)):
        Entry.objects.record("login-failed", "auth.User:unknown", note=note)


class PasswordBackend(ModelBackend):
    """Authenticates with a password; adds the rights of roles to the rights of the user."""

    def authenticate(
        self, request: Any, username: Any = None, password: Any = None, **kwargs: Any
    ) -> Any:
        """Return the user, None if the name or password is wrong."""
        if username is None or password is None:
            return None
        # In one query: the MAC must match what is loaded with it.
        users = User.objects.select_related("administrator", "account_mac", "second_factor")
        user = users.filter(username=username).first()
        # Before the password: Django can store a new hash of it, which the MAC does not cover yet.
        if user is None or not self.user_can_authenticate(user):
            # As in ModelBackend, the response takes as long as for a wrong password.
            User().set_password(password)
            return None
        before = user.password
        if not user.check_password(password):
            return None
        if user.password != before:
            with transaction.atomic():
                Entry.objects.lock_checkpoint()
                account_macs.stamp(user.pk)
        return user

    def user_can_authenticate(self, user: Any) -> bool:
        """Return True for an active user whose account was not altered in the database."""
        return super().user_can_authenticate(user) and account_macs.is_authentic(user)

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the rights of an active user."""
        own: set[str] = super().get_all_permissions(user_obj, obj)
        if not own and not user_obj.is_active:
            return set()
        if own and not user_obj.is_superuser:
            own = account_macs.filter_rights(user_obj, own)
        return own | rights_of(role.key for role in roles_of(user_obj))

    def get_user(self, user_id: Any) -> Any:
        """Return an active user with the related rows that every page needs, in one query.

        While this server cannot verify accounts, there is no user, and the login page says why.
        """
        users = User.objects.select_related(
            "administrator", "account_mac", "second_factor", "preferences"
        )
        user = users.filter(pk=user_id).first()
        try:
            return user if user is not None and self.user_can_authenticate(user) else None
        except account_macs.AccountsNotVerified:
            return None


class CodeBackend(BaseBackend):
    """Verifies an authenticator code or a recovery code after the password.

    It is an authentication backend so that wrong codes count toward the account lockout.
    """

    def authenticate(  # type: ignore[override]  # Django selects backends by these names
        self, request: Any, username: str = "", code: str = ""
    ) -> User | None:
        """Return the user if the code is valid."""
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None or not code:
            return None
        return user if second_factor.verify_code(user, code, now=timezone.now()) else None


class PasskeyBackend(BaseBackend):
    """Verifies a passkey after the password, with the challenge in the session.

    It is an authentication backend so that failures count toward the account lockout.
    """

    def authenticate(  # type: ignore[override]  # Django selects backends by these names
        self, request: Any, username: str = "", passkey: str = ""
    ) -> User | None:
        """Return the user if the passkey is valid. The challenge is used up in any case."""
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None or not passkey:
            return None
        now = timezone.now()
        challenge = challenges.take(request.session, challenges.USE, user, now=now)
        if challenge is None:
            return None
        site = sites.get_site(request)
        is_valid = passkeys.verify_passkey(user, passkey, challenge=challenge, site=site, now=now)
        return user if is_valid else None
