"""Administrators, their roles and rules in the REST API: what their pages do (B-20, B-21)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from administrators.accounts import accounts, policies, tables
from administrators.accounts.roles import ADMINISTER, ROLES
from administrators.login import lockout
from administrators.login import second_factor as login_second_factor
from administrators.models import Administrator, Rules, roles_of
from console.rest.api import Order, Page, Paging, Text, by_number, having, page

router = Router(tags=["administrators"])
MAY_SEE = having(ADMINISTER)
MAY = having(ADMINISTER, proved=True)
MAY_CONFIRM = having(policies.CA_RIGHT, proved=True)
NAME_AT_MOST, EMAIL_AT_MOST = 150, 254


class RoleOut(Schema):
    """A role and the rights that it gives."""

    key: str
    label: str
    purpose: str
    rights: list[str]


class AdministratorOut(Schema):
    """Who may work here; `failures` are failed logins that count towards a lock-out."""

    id: int
    name: str = Field(validation_alias="username")
    email: str
    active: bool = Field(validation_alias="is_active")
    roles: list[str]
    signs_in: str
    second_factor: bool
    must_change_password: bool
    created_at: datetime = Field(validation_alias="date_joined")
    last_login: datetime | None

    @staticmethod
    def resolve_roles(user: Any) -> list[str]:
        """Return the keys of the roles."""
        return [role.key for role in roles_of(user)]

    @staticmethod
    def resolve_signs_in(user: Any) -> str:
        """Return password or oidc; a user from before these columns has a password."""
        return getattr(_kept(user), "signs_in", Administrator.SignsIn.PASSWORD)

    @staticmethod
    def resolve_second_factor(user: Any) -> bool:
        """Tell whether a code is asked for besides the password."""
        return login_second_factor.is_on(user)

    @staticmethod
    def resolve_must_change_password(user: Any) -> bool:
        """Tell whether the password is a temporary one."""
        return bool(getattr(_kept(user), "must_change_password", False))


class AdministratorDetails(AdministratorOut):
    """An administrator with what is open: sessions, tokens, failed logins."""

    sessions: int
    tokens: list[str]
    failures: int
    locked_out: bool

    @staticmethod
    def resolve_sessions(user: Any) -> int:
        """Count the sessions that are open."""
        return len(accounts.sessions_of(user))

    @staticmethod
    def resolve_tokens(user: Any) -> list[str]:
        """Return the names of the tokens that open something."""
        usable = user.api_tokens.usable(timezone.now())
        return list(usable.order_by("name").values_list("name", flat=True))

    @staticmethod
    def resolve_failures(user: Any) -> int:
        """Count the failed logins."""
        return lockout.failures(user.username, timezone.now())

    @staticmethod
    def resolve_locked_out(user: Any) -> bool:
        """Tell whether there are too many of them from some address."""
        return lockout.is_locked(user.username, timezone.now())


class HandedOut(Schema):
    """What has to be handed to an administrator; it is told this once."""

    id: int
    name: str
    set_up_link: str = ""
    temporary_password: str = ""


class NewAdministratorOrder(Order):
    """Whom to let in; without a password here they get a set-up link."""

    name: Text = Field(min_length=1, max_length=NAME_AT_MOST)
    email: Text = Field("", max_length=EMAIL_AT_MOST)
    roles: list[Text] = Field(min_length=1, max_length=len(ROLES))
    signs_in: Administrator.SignsIn = Administrator.SignsIn.PASSWORD


class RolesOrder(Order):
    """Which roles an administrator shall have."""

    roles: list[Text] = Field(min_length=1, max_length=len(ROLES))


class RulesOut(Schema):
    """What holds for all administrators; `end_asked_by` asks that the rule of two ends."""

    requires_second_factor: bool
    two_administrators: bool
    end_asked_by: str
    end_asked_at: datetime | None

    @staticmethod
    def resolve_end_asked_by(known: Any) -> str:
        """Return the name of who asked, "" for nobody."""
        return known.end_asked_by.username if known.end_asked_by else ""


class RulesOrder(Order):
    """What shall hold for all administrators."""

    requires_second_factor: bool
    two_administrators: bool


class AdministratorFilter(Schema):
    """Which administrators; `state` is active, deactivated or no-second-factor."""

    q: Text = ""
    state: Text = ""


def _kept(user: User) -> Administrator | None:
    return getattr(user, "administrator", None)


@router.get("/roles", response=list[RoleOut], auth=MAY_SEE)
def list_roles(request: HttpRequest) -> Any:
    """List the roles with their rights."""
    return [
        {
            "key": role.key,
            "label": str(role.label),
            "purpose": str(role.purpose),
            "rights": sorted(role.rights),
        }
        for role in ROLES
    ]


@router.get("/administrators", response=Page[AdministratorOut], auth=MAY_SEE)
def list_administrators(
    request: HttpRequest, paging: Query[Paging], wanted: Query[AdministratorFilter]
) -> Any:
    """List the administrators by name."""
    return page(tables.administrators(wanted.q, wanted.state).order_by("username"), paging)


@router.post("/administrators", response={201: HandedOut}, auth=MAY)
def create_administrator(request: Any, response: HttpResponse, order: NewAdministratorOrder) -> Any:
    """Let somebody in; the set-up link is told this once, and is good for a day."""
    wanted = accounts.NewAdministrator(order.name, order.email, list(order.roles), order.signs_in)
    user, text = accounts.create(wanted, by=request.user.username, now=timezone.now())
    return Status(201, _handed(request, response, user, link=text))


def _handed(
    request: Any, response: HttpResponse, user: User, *, link: str = "", password: str = ""
) -> dict[str, Any]:
    response.headers["Cache-Control"] = "no-store"
    there = (
        request.build_absolute_uri(reverse("administrators:set_up", args=[link])) if link else ""
    )
    told = {"set_up_link": there, "temporary_password": password}
    return {"id": user.pk, "name": user.username, **told}


@router.get("/administrators/{administrator_id}", response=AdministratorDetails, auth=MAY_SEE)
def show_administrator(request: HttpRequest, administrator_id: str) -> Any:
    """Show one administrator with sessions, tokens and failed logins."""
    return _one(administrator_id)


def _one(administrator_id: str) -> User:
    users = User.objects.select_related("administrator", "second_factor")
    return by_number(users, administrator_id)


@router.put("/administrators/{administrator_id}/roles", response=AdministratorDetails, auth=MAY)
def set_roles(request: Any, administrator_id: str, order: RolesOrder) -> Any:
    """Give an administrator other roles; the last Super Administrator stays one."""
    accounts.set_roles(_one(administrator_id).pk, list(order.roles), by=request.user)
    return _one(administrator_id)


@router.post("/administrators/{administrator_id}/set-up-link", response=HandedOut, auth=MAY)
def make_set_up_link(request: Any, response: HttpResponse, administrator_id: str) -> Any:
    """Make another set-up link; the password of now stops working."""
    user = _one(administrator_id)
    text = accounts.new_setup_link(user.pk, by=request.user, now=timezone.now())
    return _handed(request, response, user, link=text)


@router.post("/administrators/{administrator_id}/temporary-password", response=HandedOut, auth=MAY)
def give_temporary_password(request: Any, response: HttpResponse, administrator_id: str) -> Any:
    """Give a password for one login; the password of now stops working."""
    user = _one(administrator_id)
    password = accounts.temporary_password(user.pk, by=request.user)
    return _handed(request, response, user, password=password)


def _act(request: Any, administrator_id: str, does: Callable[..., Any]) -> User:
    does(_one(administrator_id).pk, by=request.user)
    return _one(administrator_id)


def _offer(name: str, words: str, does: Callable[..., Any]) -> None:
    """Offer an act on one administrator, as the page does."""

    def act(request: Any, administrator_id: str) -> Any:
        return _act(request, administrator_id, does)

    act.__doc__ = words
    act.__name__ = f"{name.replace('-', '_')}_administrator"
    there = f"/administrators/{{administrator_id}}/{name}"
    router.post(there, response=AdministratorDetails, auth=MAY)(act)


_offer(
    "deactivate",
    "Keep an administrator out: sessions end, tokens open nothing.",
    accounts.deactivate,
)
_offer("activate", "Let a deactivated administrator in again.", accounts.activate)
_offer(
    "unlock",
    "End a lock-out after failed logins.",
    lambda pk, by: accounts.unlock(pk, by=by, now=timezone.now()),
)
_offer("end-sessions", "End every session of an administrator.", accounts.end_sessions)
_offer(
    "revoke-tokens",
    "Revoke every API token of an administrator.",
    lambda pk, by: accounts.revoke_tokens(pk, by=by, now=timezone.now()),
)
_offer(
    "reset-second-factor",
    "Take the second factor away from somebody who lost it.",
    accounts.reset_second_factor,
)


@router.get("/rules", response=RulesOut, auth=MAY_SEE)
def show_rules(request: HttpRequest) -> Any:
    """Show what holds for all administrators."""
    return Rules.objects.the()


@router.put("/rules", response=RulesOut, auth=MAY)
def set_rules(request: Any, order: RulesOrder) -> Any:
    """Set the rules; the end of the rule of two is only asked for: a second one confirms it."""
    return policies.change(**order.dict(), by=request.user, now=timezone.now())


@router.post("/rules/confirm-end", response=RulesOut, auth=MAY_CONFIRM)
def confirm_end_of_rule(request: Any) -> Any:
    """Confirm that the rule of two administrators ends, as the second of two."""
    return policies.confirm_end(by=request.user, now=timezone.now())
