"""The language of pages: that of the user's preferences, or of the browser (D-236).

A language is active only while a page is built. Tasks, commands, and responses to programs are in
English, because LANGUAGE_CODE is English.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.translation.trans_real import parse_accept_lang_header

from console.pages.errors import PROGRAMS

GetResponse = Callable[[HttpRequest], HttpResponse]
# The page of the REST API. What is below it is for programs.
API_PAGE = "/api/v1/docs"
CHECKS = (
    *("/livez", "/readyz", "/healthz", "/roots.pem", "/crl/", "/ocsp", "/metrics", "/static/"),
)


class BrowserLanguageMiddleware:
    """Use the language that the browser prefers, also for pages before login."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_for_programs(request):
            with translation.override(settings.LANGUAGE_CODE):
                return self.get_response(request)
        with translation.override(get_browser_language(request)):
            response = self.get_response(request)
            patch_vary_headers(response, ("Accept-Language",))
            return response


class UserLanguageMiddleware:
    """Use the language that the user has selected in the preferences."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        preferences = getattr(request.user, "preferences", None)
        selected = preferences.language if preferences is not None else ""
        if selected not in dict(settings.LANGUAGES) or is_for_programs(request):
            return self.get_response(request)
        with translation.override(selected):
            return self.get_response(request)


def is_for_programs(request: HttpRequest) -> bool:
    """Return True if the response is read by a program, and therefore in English."""
    return request.path.startswith((*PROGRAMS, *CHECKS)) and request.path != API_PAGE


def get_browser_language(request: HttpRequest) -> str:
    """Return the first language of Accept-Language that the console has, or English."""
    header = request.headers.get("Accept-Language", "")
    for code, _quality in parse_accept_lang_header(header.lower()):
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


def use_english() -> AbstractContextManager[None]:
    """Return a context in which texts are in English, for what is stored or sent."""
    return translation.override(settings.LANGUAGE_CODE)


def in_english(text: str | Promise) -> str:
    """Return a label in English, for what is stored or sent."""
    with use_english():
        return str(text)
