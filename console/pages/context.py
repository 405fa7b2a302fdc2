"""What the frame of every page shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from console.pages.navigation import menu_of

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
