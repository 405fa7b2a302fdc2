"""The navigation menu and the template context of every page."""

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
    """A menu item. Pages select it by `key`; `view` is its URL name.

    An item with a `right` is shown only to users who have it.
    """

    key: str
    label: str | Promise
    view: str
    icon: str = ""
    children: tuple[Item, ...] = ()
    right: str = ""


MENU = (
    Item("home", _("Home"), "certificates:home", "house"),
    Item(
        "devices",
        _("Devices"),
        "devices:list",
        "monitor",
        (
            Item(
                "add-devices",
                _("Add Devices"),
                "certificates:add_devices",
                right="devices.approve_device",
            ),
            Item("agent-upgrades", _("Agent Upgrades"), "certificates:agent_upgrades"),
        ),
    ),
    Item(
        "updates",
        _("System Updates"),
        "systemupdates:list",
        "refresh-cw",
        (Item("stages", _("Deployment Stages"), "systemupdates:stages"),),
    ),
    Item(
        "configuration",
        _("Configuration"),
        "certificates:page",
        "settings",
        (
            Item("certificates", _("Certificates"), "certificates:page"),
            Item("operations", _("Operations"), "certificates:operations"),
            Item("trust", _("Roots and Cross-Certificates"), "certificates:trust"),
            Item("health-checks", _("Health Checks"), "certificates:checks"),
            Item(
                "registration",
                _("Registration Keys"),
                "zone:keys",
                right="devices.approve_device",
            ),
            Item(
                "acme",
                _("ACME Accounts"),
                "certificates:acme_accounts",
                right="certificates.certificate_authority",
            ),
            Item(
                "host-certificates",
                _("Host Certificates"),
                "certificates:host_certificates",
                right="certificates.certificate_authority",
            ),
            Item("zone-settings", _("Zone Settings"), "zone:settings"),
            Item("windows", _("Maintenance Windows"), "certificates:windows"),
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
    Item(
        "audit",
        _("Audit and Messages"),
        "audit:audit",
        "scroll-text",
        (
            Item(
                "forwarding",
                _("Audit Log Forwarding"),
                "audit:forwarding",
                right="devices.change_zone",
            ),
        ),
        right="ledger.view_entry",
    ),
    Item(
        "account",
        _("Your Account"),
        "console:preferences",
        "circle-user",
        (
            Item("security", _("Security"), "administrators:security"),
            Item("tokens", _("API Tokens"), "administrators:tokens"),
        ),
    ),
    Item("help", _("Help"), "certificates:help", "circle-question-mark"),
)


def get_menu(user: Any) -> list[Item]:
    """Return the menu items of a user."""
    return [
        replace(item, children=tuple(child for child in item.children if _is_allowed(child, user)))
        for item in MENU
        if _is_allowed(item, user)
    ]


def _is_allowed(item: Item, user: Any) -> bool:
    return not item.right or bool(user.has_perm(item.right))


THEMES = ("light", "dark")


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Return the theme and, for an authenticated user, the menu, zone, and time."""
    theme = request.COOKIES.get("theme", "")
    context: dict[str, Any] = {"theme": theme if theme in THEMES else "auto"}
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        context |= {
            "menu": get_menu(user),
            "zone": getattr(request, "zone", None),
            "now": timezone.now(),
            "tz_name": timezone.get_current_timezone_name(),
            "product_version": settings.VERSION,
            "help_anchor": _help_anchor(request),
        }
    return context


def _help_anchor(request: HttpRequest) -> str:
    """Return the anchor of this page or dialog in the help page."""
    match = request.resolver_match
    return match.view_name.replace(":", "-") if match is not None else ""
