"""Every request knows its zone, its user's time zone, and who is acting in it.

The request of a user inside the zone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from audit.chain.actor import Actor, acting
from audit.models import Entry, visible
from console.pages.responses import Request
from devices.models import Zone
from faults import NotFound

NOTED_EVERY = timedelta(minutes=1)


class ActorAndZone:
    """Name the actor for the ledger and activate the user's time zone (D-5)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.zone = SimpleLazyObject(Zone.objects.the)
        if not request.user.is_authenticated:
            with timezone.override(_cookie_zone(request) or "UTC"):
                return self.get_response(request)
        with timezone.override(_zone_of(request)), acting(actor_of(request)):
            response = self.get_response(request)
            if response.status_code == HTTPStatus.FORBIDDEN:
                _note_denied(request)
            return response


def _note_denied(request: Any) -> None:
    """Write down that somebody was denied something, once a minute for each thing (S-43)."""
    who, subject = request.user.get_username(), visible(f"{request.method} {request.path}"[:200])
    lately = timezone.now() - NOTED_EVERY
    known = Entry.objects.filter(action="denied", actor=who, subject=subject, at__gt=lately)
    if not known.exists():
        Entry.objects.record("denied", subject)


def actor_of(request: Any, name: str = "") -> Actor:
    """Return who acts in a request; `name` is of one who is not logged in."""
    address = request.META.get("REMOTE_ADDR", "")
    if name:
        return Actor(name, address)
    token = getattr(request, "token", None)
    if token is not None:
        return Actor(request.user.get_username(), address, f"token {token.pk}: {token.name}"[:64])
    key = (request.session.session_key or "").encode()
    return Actor(request.user.get_username(), address, hashlib.sha256(key).hexdigest())


def _zone_of(request: Any) -> ZoneInfo:
    """Return the time zone of the profile, else of the browser, else of the zone."""
    preferences = getattr(request.user, "preferences", None)
    chosen = _known(preferences.time_zone) if preferences is not None else None
    return chosen or _cookie_zone(request) or _default(request) or ZoneInfo("UTC")


def _default(request: Any) -> ZoneInfo | None:
    try:
        return _known(request.zone.time_zone)
    except NotFound:
        return None


def _cookie_zone(request: HttpRequest) -> ZoneInfo | None:
    return _known(request.COOKIES.get("tz", ""))


@lru_cache(maxsize=64)
def _known(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, LookupError, OSError):
        return None


class ZoneRequest(Request):
    """A request of a user who is logged in; `zone` raises NotFound before the zone was created."""

    zone: Zone
