"""Redirect users to a required step: replace a temporary password, set up a second factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from administrators.login.login import FACTOR, PASSWORD, REQUIRED_STEP

# The pages of each step. Users are redirected to the first one.
PAGES = {
    PASSWORD: ("administrators:password",),
    FACTOR: (
        *("administrators:second_factor", "administrators:add_passkey"),
        "administrators:passkey_creation_options",
    ),
}
# What every step needs: log out, and use a passkey to confirm the step.
OTHERS = ("administrators:logout", "administrators:passkey_options")


class RequiredStepMiddleware:
    """Redirect every request of a session with a required step to the page of that step."""

    def __init__(self, get_response: Callable[[Any], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        is_session = getattr(request, "token", None) is None
        step = request.session.get(REQUIRED_STEP) if is_session else None
        if step not in PAGES or not request.user.is_authenticated:
            return self.get_response(request)
        if request.path not in [reverse(name) for name in (*PAGES[step], *OTHERS)]:
            return HttpResponseRedirect(reverse(PAGES[step][0]))
        return self.get_response(request)
