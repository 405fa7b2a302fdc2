"""Warn of what expires at login, however the user logs in (D-46)."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from certificates.issuance import expiry


class ExpiryWarnings:
    """Tell a user whose session has just begun what expires soon."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        stranger = _may_begin(request) and SESSION_KEY not in request.session
        response = self.get_response(request)
        if stranger and SESSION_KEY in request.session and isinstance(request.user, User):
            for warning in expiry.due(request.user, timezone.now()):
                tell = messages.error if warning.expired else messages.warning
                tell(request, warning.text)
        return response


def _may_begin(request: HttpRequest) -> bool:
    """Tell whether a login may come of it: it is sent, or comes back with a session begun."""
    return request.method == "POST" or settings.SESSION_COOKIE_NAME in request.COOKIES
