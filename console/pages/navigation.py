"""The left navigation as data; only pages that exist are in it.

What the frame of every page shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Item:
    """One entry: `key` is what a page names to be marked, `view` its URL name.

    With a `right` it is offered to those who have it alone.
    """

    key: str
    label: str | Promise
    view: str
    icon: str = ""
    under: tuple[Item, ...] = ()
    right: str = ""


MENU = (
    Item("home", _("Home"), "certificates:home", "house"),
    Item("devices", _("Devices"), "devices:list", "monitor"),
    Item("updates", _("System Updates"), "systemupdates:list", "refresh-cw"),
    Item(
        "configuration",
        _("Configuration"),
        "certificates:page",
        "settings",
        (
            Item("certificates", _("Certificates"), "certificates:page"),
            Item(
                "registration",
                _("Registration Keys"),
                "zone:keys",
                right="devices.approve_device",
            ),
            Item("zone-settings", _("Zone Settings"), "zone:settings"),
            Item(
                "administrators",
                _("Administrators"),
                "administrators:list",
                right="people.administer",
            ),
            Item(
                "notifications",
                _("Notifications"),
                "notifications:list",
                right="notifications.manage",
            ),
        ),
    ),
    Item("audit", _("Audit and Messages"), "audit:audit", "scroll-text", right="ledger.view_entry"),
)


def menu_of(user: Any) -> list[Item]:
    """Return the entries that a user is offered."""
    return [
        replace(item, under=tuple(leaf for leaf in item.under if _is_for(leaf, user)))
        for item in MENU
        if _is_for(item, user)
    ]


def _is_for(item: Item, user: Any) -> bool:
    return not item.right or bool(user.has_perm(item.right))


THEMES = ("light", "dark")


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the theme, and for a user who is logged in the menu, the zone and the time."""
    theme = request.COOKIES.get("theme", "")
    found: dict[str, Any] = {"theme": theme if theme in THEMES else "auto"}
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        found |= {
            "menu": menu_of(user),
            "zone": getattr(request, "zone", None),
            "now": timezone.now(),
            "tz_name": timezone.get_current_timezone_name(),
            "product_version": settings.VERSION,
            "help_anchor": _help_anchor(request),
        }
    return found


def _help_anchor(request: HttpRequest) -> str:
    """Return where the help page tells of this page or dialog: the name of its address."""
    found = request.resolver_match
    return found.view_name.replace(":", "-") if found is not None else ""
