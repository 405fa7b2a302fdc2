"""Limits on the roles and access that a session or an API token can give to others.

See: D-131
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Q
from django.utils.translation import gettext as _

from administrators.accounts.roles import BY_KEY, RIGHTS, SUPER, rights_of
from administrators.models import roles_of
from console.access.api_tokens import has_right
from console.access.reauthentication import is_recently_authenticated
from faults import Forbidden

# Actions that give a person access. The other actions only take access away.
GIVING_ACTIONS = ("activate", "reset-second-factor")


def check_may_grant(request: Any, roles: Iterable[str]) -> None:
    """Raise Forbidden if one of the roles has more rights than the session or API token."""
    roles = list(roles)
    if SUPER in roles:
        _check_super(request)
    excess = _list_excess(request, rights_of(roles))
    if excess:
        names = ", ".join(str(BY_KEY[key].label) for key in roles if key in BY_KEY)
        raise Forbidden(
            _(
                "You cannot assign %(roles)s because %(subject)s does not have: %(rights)s. "
                "Nothing was changed."
            )
            % {
                "roles": names,
                "subject": _describe_subject(request),
                "rights": "; ".join(excess),
            },
            action=_("Ask a Super Administrator to assign the role."),
        )


def check_may_manage(request: Any, user: User) -> None:
    """Raise Forbidden if a user has more rights than the session or API token.

    Otherwise, a new password or second factor of this user would give these rights.
    """
    if user.is_superuser:
        _check_super(request)
    excess = _list_excess(request, _get_rights(user))
    if excess:
        raise Forbidden(
            _(
                "%(name)s has rights that %(subject)s does not have: %(rights)s. "
                "Nothing was changed."
            )
            % {
                "name": user.username,
                "subject": _describe_subject(request),
                "rights": "; ".join(excess),
            },
            action=_("Ask a Super Administrator to make this change."),
        )


def _check_super(request: Any) -> None:
    if getattr(request, "token", None) is not None:
        raise Forbidden(
            _(
                "An API token cannot assign the Super Administrator role or give access to a "
                "Super Administrator. Nothing was changed."
            ),
            action=_("Log in to the console as a Super Administrator and make the change there."),
        )
    if not request.user.is_superuser:
        raise Forbidden(
            _(
                "Only a Super Administrator can assign the Super Administrator role or give "
                "access to a Super Administrator. Nothing was changed."
            ),
            action=_("Ask a Super Administrator to make this change."),
        )
    if not is_recently_authenticated(request):
        raise Forbidden(
            _("You last confirmed your password more than five minutes ago. Nothing was changed."),
            action=_("Confirm your password, then try again."),
        )


def _get_rights(user: User) -> set[str]:
    """Return the rights of a user, also if the account is deactivated."""
    if user.is_superuser:
        return set(RIGHTS)
    direct = Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()
    single = direct.values_list("content_type__app_label", "codename")
    named = {f"{label}.{codename}" for label, codename in single}
    return (named & set(RIGHTS)) | rights_of(role.key for role in roles_of(user))


def _list_excess(request: Any, rights: set[str]) -> list[str]:
    """Return the labels of the rights that the session or API token does not have."""
    return [
        str(label)
        for right, label in RIGHTS.items()
        if right in rights and not has_right(request, right)
    ]


def _describe_subject(request: Any) -> str:
    return (
        _("your account") if getattr(request, "token", None) is None else _("the API token you use")
    )
