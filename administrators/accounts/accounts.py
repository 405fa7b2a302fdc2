"""Manage the accounts of administrators. Every change is recorded in the audit log."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from administrators.accounts import setup_links
from administrators.accounts.roles import SUPER, check_roles
from administrators.approvals import role_requests
from administrators.login import lockout, second_factor
from administrators.login.sessions import close_sessions
from administrators.models import Administrator, FailedCode, roles_of
from administrators.protection import account_macs
from audit.models import Checkpoint, Entry
from console.models import ApiToken
from faults import Conflict, Invalid, NotFound, Refused

PASSWORD_BYTES = 12
MAX_NAME = 150
LoginMethod = Administrator.LoginMethod


@dataclass(frozen=True)
class NewAdministrator:
    """The user name, email address, roles, and login method of a new administrator."""

    name: str
    email: str
    roles: list[str]
    login_method: str = LoginMethod.PASSWORD

    def check(self) -> None:
        """Raise Invalid if a value is not valid."""
        _check("name", UnicodeUsernameValidator(), self.name)
        if self.email:
            _check("email", validate_email, self.email)
        if len(self.name) > MAX_NAME:
            raise Invalid(_("A name can have up to %s characters.") % MAX_NAME, field="name")
        check_roles(self.roles)


def _check(field: str, validate: Callable[[str], object], value: str) -> None:
    try:
        validate(value)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field=field) from error


@transaction.atomic
def create_administrator(
    new: NewAdministrator, *, by: str, now: datetime, requested_by: User | None = None
) -> tuple[User, str]:
    """Create an administrator; return it and the text of its setup link ("" for OpenID Connect).

    If `requested_by` is an administrator of the console, some roles can need an approval (D-171).
    """
    new.check()
    checkpoint = Entry.objects.lock_checkpoint()
    if User.objects.filter(username__iexact=new.name).exists():
        raise Conflict(
            _("An administrator named %s already exists. Nothing was changed.") % new.name,
            action=_("Choose a different name."),
            field="name",
        )
    user = User.objects.create_user(new.name, new.email)
    Administrator.objects.create(user=user, login_method=new.login_method, created_by=by)
    pending = role_requests.get_roles_to_approve(new.roles) if requested_by is not None else []
    after = role_requests.store_roles(user, set(new.roles) - set(pending))
    Entry.objects.append(
        checkpoint,
        "create-administrator",
        _subject(user),
        note=user.username,
        detail={"after": {"roles": after, "logs in": new.login_method, "email": new.email}},
    )
    if requested_by is not None:
        role_requests.request_roles(user, pending, by=requested_by, now=now)
    if new.login_method != LoginMethod.PASSWORD:
        return user, ""
    return user, setup_links.create_link(user, now=now)


@transaction.atomic
def set_roles(pk: int, roles: list[str], *, by: User | None, now: datetime) -> User:
    """Set the roles of an administrator. The last Super Administrator cannot lose that role.

    More rights end the unused setup link or temporary password of the account. If `by` is an
    administrator of the console, and not None for an OpenID provider, some roles can need an
    approval (D-171).
    """
    check_roles(roles)
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_administrator(pk)
    before = [role.key for role in roles_of(user)]
    if SUPER in before and SUPER not in roles:
        _check_not_last_super(user)
    pending = []
    if by is not None:
        pending = role_requests.get_roles_to_approve(set(roles) - set(before))
    after = role_requests.store_roles(user, set(roles) - set(pending))
    if set(roles) - set(before):
        setup_links.end_first_access(user)
    _append(checkpoint, "set-roles", user, {"roles": before}, {"roles": after})
    if by is not None:
        role_requests.request_roles(user, pending, by=by, now=now)
    return user


@transaction.atomic
def deactivate(pk: int, *, by: User) -> User:
    """Deactivate an account: end its sessions and disable its API tokens."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_administrator(pk)
    if user == by:
        raise Refused(
            _("You cannot deactivate your own account. Nothing was changed."),
            action=_("Ask another Super Administrator."),
        )
    if user.is_superuser:
        _check_not_last_super(user)
    User.objects.filter(pk=pk).update(is_active=False)
    account_macs.stamp(pk)
    close_sessions(user)
    before, after = {"active": user.is_active}, {"active": False}
    _append(checkpoint, "deactivate-administrator", user, before, after)
    return user


@transaction.atomic
def activate(pk: int, *, by: User) -> User:
    """Reactivate a deactivated account."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_administrator(pk)
    User.objects.filter(pk=pk).update(is_active=True)
    account_macs.stamp(pk)
    before, after = {"active": user.is_active}, {"active": True}
    _append(checkpoint, "activate-administrator", user, before, after)
    return user


@transaction.atomic
def end_sessions(pk: int, *, by: User) -> User:
    """End all sessions of an administrator."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_administrator(pk)
    ended = close_sessions(user)
    _append(checkpoint, "end-sessions", user, {"sessions": ended}, {"sessions": 0})
    return user


@transaction.atomic
def end_other_sessions(user: User, *, keep: str) -> int:
    """End all sessions of a user except the one with the key `keep`; return their number."""
    checkpoint = Entry.objects.lock_checkpoint()
    ended = close_sessions(user, keep=keep)
    _append(checkpoint, "end-other-sessions", user, {"sessions": ended}, {"sessions": 0})
    return ended


@transaction.atomic
def revoke_tokens(pk: int, *, by: User, now: datetime) -> User:
    """Revoke all API tokens of an administrator."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_administrator(pk)
    tokens = ApiToken.objects.usable(now).filter(user=user)
    names = list(tokens.order_by("name").values_list("name", flat=True))
    if not names:
        raise Refused(_("%s does not have any API tokens. Nothing was changed.") % user.username)
    tokens.update(revoked_at=now)
    _append(checkpoint, "revoke-api-tokens", user, {"tokens": names}, {"tokens": []})
    return user


@transaction.atomic
def reset_second_factor(pk: int, *, by: User, now: datetime) -> User:
    """Remove authenticator and passkeys of an administrator who lost them, and end all sessions."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_administrator(pk)
    if not second_factor.is_on(user):
        raise Refused(
            _("%s does not use two-factor authentication. Nothing was changed.") % user.username
        )
    second_factor.delete_second_factors(user)
    close_sessions(user)
    before, after = {"second factor": True}, {"second factor": False}
    _append(checkpoint, "reset-second-factor", user, before, after)
    role_requests.withhold_roles(user, by=by, now=now)
    return user


@transaction.atomic
def unlock(pk: int, *, by: User, now: datetime) -> User:
    """End an account lockout, whatever addresses the failed logins came from."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_administrator(pk)
    failures = lockout.count_failures(user.username, now)
    if not failures:
        raise Refused(_("%s is not locked out. Nothing was changed.") % user.username)
    lockout.reset_failures(user.username)
    FailedCode.objects.filter(user=user).delete()
    _append(checkpoint, "unlock-administrator", user, {"failures": failures}, {"failures": 0})
    return user


@transaction.atomic
def create_temporary_password(pk: int, *, by: User, now: datetime) -> str:
    """Set and return a password that must be changed at the next login."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_password_administrator(pk)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user.set_password(password)
    user.save(update_fields=["password"])
    account_macs.stamp(user.pk)
    Administrator.objects.filter(user=user).update(must_change_password=True)
    setup_links.delete_unused_links(user)
    close_sessions(user)
    Entry.objects.append(checkpoint, "temporary-password", _subject(user), note=user.username)
    role_requests.withhold_roles(user, by=by, now=now)
    return password


@transaction.atomic
def create_setup_link(pk: int, *, by: User, now: datetime) -> str:
    """Return the text of a new setup link; the password and older links stop working."""
    checkpoint = Entry.objects.lock_checkpoint()
    user = get_password_administrator(pk)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    account_macs.stamp(user.pk)
    close_sessions(user)
    Entry.objects.append(checkpoint, "set-up-link", _subject(user), note=user.username)
    role_requests.withhold_roles(user, by=by, now=now)
    return setup_links.create_link(user, now=now)


def get_administrator(pk: int) -> User:
    """Return a user with its administrator row, which is created if it does not exist.

    Raises RowAltered if the account was changed in the database.
    """
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    user = users.filter(pk=pk).first()
    if user is None:
        raise NotFound(_("The administrator was not found."))
    account_macs.check(pk)
    if getattr(user, "administrator", None) is None:
        Administrator.objects.create(user=user)
        account_macs.stamp(pk)
    return user


def get_password_administrator(pk: int) -> User:
    """Return an active administrator who logs in with a password; raise a fault otherwise."""
    user = get_administrator(pk)
    if user.administrator.login_method != LoginMethod.PASSWORD:
        raise Refused(
            _(
                "%s logs in with OpenID Connect and does not have a local password. "
                "Nothing was changed."
            )
            % user.username
        )
    if not user.is_active:
        raise Refused(
            _("The account %s is deactivated. Nothing was changed.") % user.username,
            action=_("Activate the account first."),
        )
    return user


def _subject(user: User) -> str:
    return f"auth.User:{user.pk}"


def _append(
    checkpoint: Checkpoint, action: str, user: User, before: dict[str, Any], after: dict[str, Any]
) -> None:
    detail = {"before": before, "after": after}
    Entry.objects.append(checkpoint, action, _subject(user), note=user.username, detail=detail)


def _check_not_last_super(user: User) -> None:
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if not others.exists():
        raise Refused(
            _("%s is the only Super Administrator. Nothing was changed.") % user.username,
            action=_("Assign the role to another administrator first."),
        )
