"""What a user has to do first: replace a temporary password, set up a second factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from administrators.login.login import FACTOR, MUST, PASSWORD

PAGES = {PASSWORD: "administrators:password", FACTOR: "administrators:second_factor"}


class Duties:
    """Lead a session with a duty to the page where it is done, whatever was asked for."""

    def __init__(self, get_response: Callable[[Any], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        must = request.session.get(MUST) if getattr(request, "token", None) is None else None
        if must in PAGES and request.user.is_authenticated:
            there = reverse(PAGES[must])
            if request.path not in (there, reverse("administrators:logout")):
                return HttpResponseRedirect(there)
        return self.get_response(request)
