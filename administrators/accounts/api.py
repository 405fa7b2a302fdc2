"""Administrators and their roles in the REST API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import AliasChoices, Field

from administrators.accounts import accounts, limits, setup_links, tables
from administrators.accounts.roles import ADMINISTER, ROLES
from administrators.login import lockout, sessions
from administrators.login import second_factor as login_second_factor
from administrators.models import Administrator, roles_of
from console.rest.api import Page, Paging, RequestBody, Text, get_by_number, paginate, require

router = Router(tags=["administrators"])
CAN_VIEW = require(ADMINISTER)
CAN_CHANGE = require(ADMINISTER, reauthenticated=True)
MAX_NAME, MAX_EMAIL = 150, 254


class RoleOut(Schema):
    """A role and the rights that it grants."""

    key: str
    label: str
    purpose: str
    rights: list[str]


class AdministratorOut(Schema):
    """An administrator of the console."""

    id: int
    name: str = Field(validation_alias="username")
    email: str
    active: bool = Field(validation_alias="is_active")
    roles: list[str]
    login_method: str
    signs_in: str = Field(description="use `login_method`", deprecated=True)
    second_factor: bool
    must_change_password: bool
    created_at: datetime = Field(validation_alias="date_joined")
    last_login: datetime | None

    @staticmethod
    def resolve_roles(user: Any) -> list[str]:
        """Return the keys of the roles."""
        return [role.key for role in roles_of(user)]

    @staticmethod
    def resolve_login_method(user: Any) -> str:
        """Return password or oidc; a user without an administrator row has a password."""
        return getattr(_get_account(user), "login_method", Administrator.LoginMethod.PASSWORD)

    @staticmethod
    def resolve_signs_in(user: Any) -> str:
        """Return the login method under its old name."""
        return AdministratorOut.resolve_login_method(user)

    @staticmethod
    def resolve_second_factor(user: Any) -> bool:
        """Return True if two-factor authentication is on."""
        return login_second_factor.is_on(user)

    @staticmethod
    def resolve_must_change_password(user: Any) -> bool:
        """Return True if the password is temporary."""
        return bool(getattr(_get_account(user), "must_change_password", False))


class AdministratorDetails(AdministratorOut):
    """An administrator with open sessions, API tokens, and failed logins.

    `failures` is the number of failed logins that count toward an account lockout.
    """

    sessions: int
    tokens: list[str]
    failures: int
    locked_out: bool

    @staticmethod
    def resolve_sessions(user: Any) -> int:
        """Return the number of open sessions."""
        return len(sessions.list_sessions(user))

    @staticmethod
    def resolve_tokens(user: Any) -> list[str]:
        """Return the names of the usable API tokens."""
        usable = user.api_tokens.usable(timezone.now())
        return list(usable.order_by("name").values_list("name", flat=True))

    @staticmethod
    def resolve_failures(user: Any) -> int:
        """Return the number of failed logins."""
        return lockout.count_failures(user.username, timezone.now())

    @staticmethod
    def resolve_locked_out(user: Any) -> bool:
        """Return True if login is blocked from at least one address."""
        return lockout.is_locked(user.username, timezone.now())


class CredentialsOut(Schema):
    """A setup link or temporary password, which is returned only once."""

    id: int
    name: str
    setup_link: str = ""
    set_up_link: str = Field("", description="use `setup_link`", deprecated=True)
    temporary_password: str = ""


class NewAdministratorBody(RequestBody):
    """A new administrator. Without OpenID Connect, a setup link is returned.

    `signs_in` is the old name of `login_method` and will be removed.
    """

    name: Text = Field(min_length=1, max_length=MAX_NAME)
    email: Text = Field("", max_length=MAX_EMAIL)
    roles: list[Text] = Field(min_length=1, max_length=len(ROLES))
    login_method: Administrator.LoginMethod = Field(
        Administrator.LoginMethod.PASSWORD,
        validation_alias=AliasChoices("login_method", "signs_in"),
    )


class RolesBody(RequestBody):
    """The new roles of an administrator."""

    roles: list[Text] = Field(min_length=1, max_length=len(ROLES))


class AdministratorFilter(Schema):
    """Which administrators to return; `state` is active, deactivated, or no-second-factor."""

    q: Text = ""
    state: Text = ""


def _get_account(user: User) -> Administrator | None:
    return getattr(user, "administrator", None)


@router.get("/roles", response=list[RoleOut], auth=CAN_VIEW)
def list_roles(request: HttpRequest) -> Any:
    """List roles and their rights."""
    return [
        {
            "key": role.key,
            "label": str(role.label),
            "purpose": str(role.purpose),
            "rights": sorted(role.rights),
        }
        for role in ROLES
    ]


@router.get("/administrators", response=Page[AdministratorOut], auth=CAN_VIEW)
def list_administrators(
    request: HttpRequest, paging: Query[Paging], conditions: Query[AdministratorFilter]
) -> Any:
    """List administrators by name."""
    return paginate(
        tables.list_administrators(conditions.q, conditions.state).order_by("username"), paging
    )


@router.post("/administrators", response={201: CredentialsOut}, auth=CAN_CHANGE)
def create_administrator(request: Any, response: HttpResponse, body: NewAdministratorBody) -> Any:
    """Create an administrator. The setup link is returned only once and expires after 24 hours."""
    new = accounts.NewAdministrator(body.name, body.email, list(body.roles), body.login_method)
    limits.check_may_grant(request, new.roles)
    by, now = request.user, timezone.now()
    user, text = accounts.create_administrator(new, by=by.username, now=now, requested_by=by)
    return Status(201, _build_credentials(request, response, user, link=text))


def _build_credentials(
    request: Any, response: HttpResponse, user: User, *, link: str = "", password: str = ""
) -> dict[str, Any]:
    response.headers["Cache-Control"] = "no-store"
    url = ""
    if link:
        url = request.build_absolute_uri(setup_links.build_path(link))
    return {
        "id": user.pk,
        "name": user.username,
        "setup_link": url,
        "set_up_link": url,
        "temporary_password": password,
    }


@router.get("/administrators/{administrator_id}", response=AdministratorDetails, auth=CAN_VIEW)
def get_administrator(request: HttpRequest, administrator_id: str) -> Any:
    """Get an administrator with sessions, API tokens, and failed logins."""
    return _get_user(administrator_id)


def _get_user(administrator_id: str) -> User:
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    return get_by_number(users, administrator_id)


@router.put(
    "/administrators/{administrator_id}/roles", response=AdministratorDetails, auth=CAN_CHANGE
)
def set_roles(request: Any, administrator_id: str, body: RolesBody) -> Any:
    """Set the roles of an administrator. The last Super Administrator cannot lose that role."""
    user = _get_user(administrator_id)
    limits.check_may_manage(request, user)
    limits.check_may_grant(request, body.roles)
    accounts.set_roles(user.pk, list(body.roles), by=request.user, now=timezone.now())
    return _get_user(administrator_id)


@router.post(
    "/administrators/{administrator_id}/setup-link", response=CredentialsOut, auth=CAN_CHANGE
)
def create_setup_link(request: Any, response: HttpResponse, administrator_id: str) -> Any:
    """Create a new setup link. The current password stops working."""
    user = _get_user(administrator_id)
    limits.check_may_manage(request, user)
    text = accounts.create_setup_link(user.pk, by=request.user, now=timezone.now())
    return _build_credentials(request, response, user, link=text)


@router.post(
    "/administrators/{administrator_id}/set-up-link",
    response=CredentialsOut,
    auth=CAN_CHANGE,
    deprecated=True,
)
def create_set_up_link(request: Any, response: HttpResponse, administrator_id: str) -> Any:
    """Use setup-link instead."""
    return create_setup_link(request, response, administrator_id)


@router.post(
    "/administrators/{administrator_id}/temporary-password",
    response=CredentialsOut,
    auth=CAN_CHANGE,
)
def create_temporary_password(request: Any, response: HttpResponse, administrator_id: str) -> Any:
    """Create a temporary password for one login. The current password stops working."""
    user = _get_user(administrator_id)
    limits.check_may_manage(request, user)
    password = accounts.create_temporary_password(user.pk, by=request.user, now=timezone.now())
    return _build_credentials(request, response, user, password=password)


def _add_action(name: str, description: str, run: Callable[..., Any]) -> None:
    """Add the endpoint of an action on an administrator."""

    def action(request: Any, administrator_id: str) -> Any:
        user = _get_user(administrator_id)
        if name in limits.GIVING_ACTIONS:
            limits.check_may_manage(request, user)
        run(user.pk, by=request.user)
        return _get_user(administrator_id)

    action.__doc__ = description
    action.__name__ = f"{name.replace('-', '_')}_administrator"
    path = f"/administrators/{{administrator_id}}/{name}"
    router.post(path, response=AdministratorDetails, auth=CAN_CHANGE)(action)


_add_action(
    "deactivate",
    "Deactivate an administrator. Ends all sessions and disables all API tokens.",
    accounts.deactivate,
)
_add_action("activate", "Reactivate a deactivated administrator.", accounts.activate)
_add_action(
    "unlock",
    "Unlock an account that is locked out after failed logins.",
    lambda pk, by: accounts.unlock(pk, by=by, now=timezone.now()),
)
_add_action("end-sessions", "End all sessions of an administrator.", accounts.end_sessions)
_add_action(
    "revoke-tokens",
    "Revoke all API tokens of an administrator.",
    lambda pk, by: accounts.revoke_tokens(pk, by=by, now=timezone.now()),
)
_add_action(
    "reset-second-factor",
    ("Reset two-factor authentication for an administrator who has lost their authenticator."),
    lambda pk, by: accounts.reset_second_factor(pk, by=by, now=timezone.now()),
)
