"""Show expiry warnings after login.

See: D-46
"""

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
    """Show a user who has just logged in which certificates expire soon."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        has_no_session = _can_start_session(request) and SESSION_KEY not in request.session
        response = self.get_response(request)
        if has_no_session and SESSION_KEY in request.session and isinstance(request.user, User):
            for warning in expiry.list_warnings_for_login(request.user, timezone.now()):
                add_message = messages.error if warning.expired else messages.warning
                add_message(request, warning.text)
        return response


def _can_start_session(request: HttpRequest) -> bool:
    """Return True if the request can log a user in: it sends data or has a session cookie."""
    return request.method == "POST" or settings.SESSION_COOKIE_NAME in request.COOKIES
