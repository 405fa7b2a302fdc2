"""Redirect users to a required step: replace a temporary password, set up a second factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from administrators.login.login import FACTOR, PASSWORD, REQUIRED_STEP

PAGES = {PASSWORD: "administrators:password", FACTOR: "administrators:second_factor"}


class RequiredStepMiddleware:
    """Redirect every request of a session with a required step to the page of that step."""

    def __init__(self, get_response: Callable[[Any], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        is_session = getattr(request, "token", None) is None
        step = request.session.get(REQUIRED_STEP) if is_session else None
        if step in PAGES and request.user.is_authenticated:
            url = reverse(PAGES[step])
            if request.path not in (url, reverse("administrators:logout")):
                return HttpResponseRedirect(url)
        return self.get_response(request)
