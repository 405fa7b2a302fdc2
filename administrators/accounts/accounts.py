"""What an administrator does to another one: each act with its line in the ledger (S-42, D-32)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from administrators.accounts import setup_links
from administrators.accounts.roles import BY_KEY, ROLES, SUPER
from administrators.login import lockout, second_factor
from administrators.models import Administrator, RecoveryCode, SecondFactor, roles_of
from audit.models import Entry
from console.models import ApiToken
from faults import Conflict, Invalid, NotFound, Refused

PASSWORD_BYTES = 12
NAME_AT_MOST = 150
SignsIn = Administrator.SignsIn


@dataclass(frozen=True)
class NewAdministrator:
    """Whom to let in: name, address for mail, roles, and how they log in."""

    name: str
    email: str
    roles: list[str]
    signs_in: str = SignsIn.PASSWORD

    def check(self) -> None:
        """Refuse what cannot be an administrator."""
        _check("name", UnicodeUsernameValidator(), self.name)
        if self.email:
            _check("email", validate_email, self.email)
        if len(self.name) > NAME_AT_MOST:
            raise Invalid(f"A name has at most {NAME_AT_MOST} characters.", field="name")
        check_roles(self.roles)


def _check(field: str, validate: Callable[[str], object], value: str) -> None:
    try:
        validate(value)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field=field) from error


def check_roles(roles: Iterable[str]) -> None:
    """Refuse an unknown role, and none at all."""
    unknown = [role for role in roles if role not in BY_KEY]
    if unknown or not list(roles):
        raise Invalid("Choose at least one of the roles. Nothing was changed.", field="roles")


@transaction.atomic
def create(order: NewAdministrator, *, by: str, now: datetime) -> tuple[User, str]:
    """Let somebody in; returns them and the text of their set-up link ("" for OpenID Connect)."""
    order.check()
    head = Entry.objects.queue()
    if User.objects.filter(username__iexact=order.name).exists():
        raise Conflict(
            f"There is an administrator {order.name} already. Nothing was changed.",
            action="Choose another name.",
            field="name",
        )
    user = User.objects.create_user(order.name, order.email)
    Administrator.objects.create(user=user, signs_in=order.signs_in, created_by=by)
    after = _put_roles(user, order.roles)
    Entry.objects.append(
        head,
        "create-administrator",
        _subject(user),
        note=user.username,
        detail={"after": {"roles": after, "signs in": order.signs_in, "email": order.email}},
    )
    return user, setup_links.make(user, now=now) if order.signs_in == SignsIn.PASSWORD else ""


@transaction.atomic
def set_roles(pk: int, roles: list[str], *, by: User) -> User:
    """Give an administrator other roles; the last Super Administrator stays one."""
    check_roles(roles)
    head = Entry.objects.queue()
    user = known(pk)
    before = [role.key for role in roles_of(user)]
    if SUPER in before and SUPER not in roles:
        _refuse_last_super(user)
    after = _put_roles(user, roles)
    _append(head, "set-roles", user, {"roles": before}, {"roles": after})
    return user


@transaction.atomic
def deactivate(pk: int, *, by: User) -> User:
    """Keep an administrator out from now on: sessions end, tokens open nothing (D-32)."""
    head = Entry.objects.queue()
    user = known(pk)
    if user == by:
        raise Refused(
            "You cannot deactivate yourself. Nothing was changed.",
            action="Ask another Super Administrator.",
        )
    if user.is_superuser:
        _refuse_last_super(user)
    User.objects.filter(pk=pk).update(is_active=False)
    _close_sessions(user)
    _append(head, "deactivate-administrator", user, {"active": user.is_active}, {"active": False})
    return user


@transaction.atomic
def activate(pk: int, *, by: User) -> User:
    """Let a deactivated administrator in again."""
    head = Entry.objects.queue()
    user = known(pk)
    User.objects.filter(pk=pk).update(is_active=True)
    _append(head, "activate-administrator", user, {"active": user.is_active}, {"active": True})
    return user


@transaction.atomic
def end_sessions(pk: int, *, by: User) -> User:
    """End every session of an administrator now."""
    head = Entry.objects.queue()
    user = known(pk)
    ended = _close_sessions(user)
    _append(head, "end-sessions", user, {"sessions": ended}, {"sessions": 0})
    return user


@transaction.atomic
def end_other_sessions(user: User, *, but: str) -> int:
    """End every session of a user but the one at hand; returns how many."""
    head = Entry.objects.queue()
    ended = _close_sessions(user, but=but)
    _append(head, "end-other-sessions", user, {"sessions": ended}, {"sessions": 0})
    return ended


@transaction.atomic
def revoke_tokens(pk: int, *, by: User, now: datetime) -> User:
    """Revoke every API token of an administrator; programs that use them are refused at once."""
    head = Entry.objects.queue()
    user = known(pk)
    mine = ApiToken.objects.usable(now).filter(user=user)
    names = list(mine.order_by("name").values_list("name", flat=True))
    if not names:
        raise Refused(f"{user.username} has no API token. Nothing was changed.")
    mine.update(revoked_at=now)
    _append(head, "revoke-api-tokens", user, {"tokens": names}, {"tokens": []})
    return user


@transaction.atomic
def reset_second_factor(pk: int, *, by: User) -> User:
    """Take the second factor away from somebody who lost it; they set up a new one."""
    head = Entry.objects.queue()
    user = known(pk)
    if not second_factor.is_on(user):
        raise Refused(f"{user.username} has no second factor. Nothing was changed.")
    SecondFactor.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    _close_sessions(user)
    _append(head, "reset-second-factor", user, {"second factor": True}, {"second factor": False})
    return user


@transaction.atomic
def unlock(pk: int, *, by: User, now: datetime) -> User:
    """End a lock-out after wrong passwords or codes, from wherever they came (S-82)."""
    head = Entry.objects.queue()
    user = known(pk)
    counted = lockout.failures(user.username, now)
    if not counted:
        raise Refused(f"No failed login of {user.username} is counted. Nothing was changed.")
    lockout.forget(user.username)
    _append(head, "unlock-administrator", user, {"failures": counted}, {"failures": 0})
    return user


@transaction.atomic
def temporary_password(pk: int, *, by: User) -> str:
    """Give a password that is good for one login, after which another one must be chosen."""
    head = Entry.objects.queue()
    user = with_password(pk)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user.set_password(password)
    user.save(update_fields=["password"])
    Administrator.objects.filter(user=user).update(must_change_password=True)
    setup_links.withdraw(user)
    _close_sessions(user)
    Entry.objects.append(head, "temporary-password", _subject(user), note=user.username)
    return password


@transaction.atomic
def new_setup_link(pk: int, *, by: User, now: datetime) -> str:
    """Make another set-up link; the old password and older links open nothing any more."""
    head = Entry.objects.queue()
    user = with_password(pk)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    _close_sessions(user)
    Entry.objects.append(head, "set-up-link", _subject(user), note=user.username)
    return setup_links.make(user, now=now)


def known(pk: int) -> User:
    """Return an administrator with roles and second factor; makes the row of an older user."""
    user = User.objects.select_related("administrator", "second_factor").filter(pk=pk).first()
    if user is None:
        raise NotFound("There is no such administrator.")
    if getattr(user, "administrator", None) is None:
        Administrator.objects.create(user=user)
    return user


def with_password(pk: int) -> User:
    """Return an administrator who logs in with a password, and may."""
    user = known(pk)
    if user.administrator.signs_in != SignsIn.PASSWORD:
        raise Refused(
            f"{user.username} logs in with OpenID Connect and has no password here. "
            "Nothing was changed."
        )
    if not user.is_active:
        raise Refused(
            f"{user.username} is deactivated. Nothing was changed.", action="Activate them first."
        )
    return user


def _subject(user: User) -> str:
    return f"auth.User:{user.pk}"


def _append(
    head: Any, action: str, user: User, before: dict[str, Any], after: dict[str, Any]
) -> None:
    detail = {"before": before, "after": after}
    Entry.objects.append(head, action, _subject(user), note=user.username, detail=detail)


def _put_roles(user: User, roles: Iterable[str]) -> list[str]:
    ordered = [role.key for role in ROLES if role.key in roles]
    Administrator.objects.filter(user=user).update(roles=ordered)
    User.objects.filter(pk=user.pk).update(is_superuser=SUPER in ordered)
    return ordered


def _refuse_last_super(user: User) -> None:
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if not others.exists():
        raise Refused(
            f"{user.username} is the last Super Administrator. Nothing was changed.",
            action="Give the role to somebody else first.",
        )


def sessions_of(user: User) -> list[Session]:
    """Return the sessions that are open for a user."""
    return [
        session
        for session in Session.objects.all().iterator()
        if session.get_decoded().get("_auth_user_id") == str(user.pk)
    ]


def _close_sessions(user: User, *, but: str = "") -> int:
    keys = [session.session_key for session in sessions_of(user) if session.session_key != but]
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)
