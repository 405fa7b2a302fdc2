"""The administrators as a table, and the table of roles and rights."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from administrators.accounts.roles import RIGHTS, ROLES
from console.pages.tables import Asked, Column, counts

COLUMNS = (
    Column("name", _("Name"), "username"),
    Column("roles", _("Roles")),
    Column("signs_in", _("Logs in with")),
    Column("last_login", _("Last login"), "last_login"),
    Column("status", _("Status"), "is_active"),
)
CONDITIONS = {
    "active": Q(is_active=True),
    "deactivated": Q(is_active=False),
    "no-second-factor": Q(
        Q(second_factor=None) | Q(second_factor__confirmed_at=None),
        ~Q(administrator__signs_in="oidc"),
        is_active=True,
    ),
}
LABELS = {
    "": _("All"),
    "active": _("Active"),
    "deactivated": _("Deactivated"),
    "no-second-factor": _("Without second factor"),
}


def administrators(q: str = "", state: str = "") -> QuerySet[User]:
    """Return the administrators with a text in their name or address, and in a state."""
    found = User.objects.select_related("administrator", "second_factor")
    if q:
        found = found.filter(Q(username__icontains=q) | Q(email__icontains=q))
    condition = CONDITIONS.get(state)
    return found.filter(condition) if condition is not None else found


def chips(asked: Asked) -> list[dict[str, Any]]:
    """Return the filter chips with their counts."""
    numbers = counts(User.objects.all(), CONDITIONS)
    return [
        {"key": key, "label": label, "n": numbers[key], "on": key == asked.state}
        for key, label in LABELS.items()
    ]


def matrix() -> list[dict[str, Any]]:
    """Return for each right which roles give it."""
    return [
        {"label": label, "has": [(role.label, right in role.rights) for role in ROLES]}
        for right, label in RIGHTS.items()
    ]
