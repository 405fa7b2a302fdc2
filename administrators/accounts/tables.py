"""The table of administrators, its filters, and the table of roles and rights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from administrators.accounts.roles import RIGHTS, ROLES
from administrators.login import second_factor
from administrators.models import Administrator, roles_of
from console.pages.listing import Table
from console.pages.tables import Column, TableQuery, build_chips, count_by_condition


def get_login_method(user: Any) -> str:
    """Return the label of the login method of an administrator."""
    method = getattr(getattr(user, "administrator", None), "login_method", None)
    return str(Administrator.LoginMethod(method or Administrator.LoginMethod.PASSWORD).label)


ADMINISTRATORS = Table(
    "administrators",
    (
        Column("name", _("Name"), "username"),
        Column("roles", _("Roles")),
        Column("login_method", _("Login method")),
        Column("last_login", _("Last login"), "last_login"),
        Column("status", _("Status"), "is_active"),
    ),
    (
        (_("Name"), lambda user: user.username),
        (_("Email address"), lambda user: user.email),
        (_("Roles"), lambda user: [role.label for role in roles_of(user)]),
        (_("Login method"), get_login_method),
        (_("Second factor"), lambda user: _("Yes") if second_factor.is_on(user) else _("No")),
        (_("Last login"), lambda user: user.last_login),
        (_("Status"), lambda user: _("Active") if user.is_active else _("Deactivated")),
    ),
    fixed="name",
)
CONDITIONS = {
    "active": Q(is_active=True),
    "deactivated": Q(is_active=False),
    "no-second-factor": Q(
        Q(second_factor=None) | Q(second_factor__confirmed_at=None),
        Q(account_mac=None) | Q(account_mac__passkeys=""),
        ~Q(administrator__login_method="oidc"),
        is_active=True,
    ),
}
LABELS = {
    "": _("All"),
    "active": _("Active"),
    "deactivated": _("Deactivated"),
    "no-second-factor": _("Without second factor"),
}


def list_administrators(q: str = "", state: str = "") -> QuerySet[User]:
    """Return the administrators with `q` in their name or email address, and in a state."""
    found = User.objects.select_related("administrator", "account_mac", "second_factor")
    if q:
        found = found.filter(Q(username__icontains=q) | Q(email__icontains=q))
    condition = CONDITIONS.get(state)
    return found.filter(condition) if condition is not None else found


def build_rows(users: Iterable[User]) -> list[dict[str, Any]]:
    """Return the rows of the table: each user with the roles, and whether a second factor is on."""
    return [
        {"user": user, "roles": roles_of(user), "has_factor": second_factor.is_on(user)}
        for user in users
    ]


def list_chips(query: TableQuery) -> list[dict[str, Any]]:
    """Return the filter chips with their counts."""
    return build_chips(LABELS, count_by_condition(User.objects.all(), CONDITIONS), query)


def build_rights_matrix() -> list[dict[str, Any]]:
    """Return each right with the roles that grant it."""
    return [
        {"label": label, "has": [(role.label, right in role.rights) for role in ROLES]}
        for right, label in RIGHTS.items()
    ]
