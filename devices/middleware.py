"""Middleware that sets the zone, the time zone of the user, and the actor of the audit log."""

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

from audit.chain.actor import Actor, acting_as
from audit.models import Entry, escape_invisible
from console.pages.responses import Request
from console.requests.logs import describe_path
from devices.models import Zone
from faults import NotFound

DENIED_INTERVAL = timedelta(minutes=1)


class ActorAndZone:
    """Set `request.zone`, the actor of audit entries, and the time zone of the user (D-5)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.zone = SimpleLazyObject(Zone.objects.get_zone)
        if not request.user.is_authenticated:
            with timezone.override(_get_browser_time_zone(request) or "UTC"):
                return self.get_response(request)
        with timezone.override(_get_time_zone(request)), acting_as(get_actor(request)):
            response = self.get_response(request)
            if response.status_code == HTTPStatus.FORBIDDEN:
                _record_denied(request)
            return response


def _record_denied(request: Any) -> None:
    """Record a denied request, at most once a minute for each user and resource."""
    who, subject = (
        request.user.get_username(),
        escape_invisible(f"{request.method} {describe_path(request)}"[:200]),
    )
    since = timezone.now() - DENIED_INTERVAL
    known = Entry.objects.filter(action="denied", actor=who, subject=subject, at__gt=since)
    if not known.exists():
        Entry.objects.record("denied", subject)


def get_actor(request: Any, name: str = "") -> Actor:
    """Return the actor of a request. Set `name` if the user is not logged in."""
    address = request.META.get("REMOTE_ADDR", "")
    if name:
        return Actor(name, address)
    user, subject = request.user.get_username(), f"auth.User:{request.user.pk}"
    token = getattr(request, "token", None)
    if token is not None:
        return Actor(user, address, f"token {token.pk}: {token.name}"[:64], subject)
    key = (request.session.session_key or "").encode()
    return Actor(user, address, hashlib.sha256(key).hexdigest(), subject)


def _get_time_zone(request: Any) -> ZoneInfo:
    """Return the time zone of the user's preferences, of the browser, or of the zone."""
    preferences = getattr(request.user, "preferences", None)
    chosen = _parse_time_zone(preferences.time_zone) if preferences is not None else None
    return (
        chosen or _get_browser_time_zone(request) or _get_zone_time_zone(request) or ZoneInfo("UTC")
    )


def _get_zone_time_zone(request: Any) -> ZoneInfo | None:
    try:
        return _parse_time_zone(request.zone.time_zone)
    except NotFound:
        return None


def _get_browser_time_zone(request: HttpRequest) -> ZoneInfo | None:
    return _parse_time_zone(request.COOKIES.get("tz", ""))


@lru_cache(maxsize=64)
def _parse_time_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, LookupError, OSError):
        return None


class ZoneRequest(Request):
    """A request of a logged-in user. Access to `zone` raises NotFound before it is created."""

    zone: Zone
