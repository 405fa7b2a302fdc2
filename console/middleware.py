"""What every answer of the console shares: session limits, faults, messages and redirects."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from console.pages.errors import bug_response, fault_response
from console.requests import logs
from faults import Fault, Kind

GetResponse = Callable[[HttpRequest], HttpResponse]
log = logging.getLogger("zcc.requests")
# Many and always the same: devices that refresh, probes, scripts of the pages.
QUIET = ("/zac/", "/content/", "/healthz", "/metrics", "/static/")
GIVEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
IDLE = 30 * 60
NOTED_EVERY = 60
ABSOLUTE = 12 * 3600
# What a page asks for by itself: it does not keep an unattended session alive.
POLLS = "rev"
HEALTH = "/healthz"


class RequestId:
    """Give each request an id: it is in every line logged of it, in the answer, on error pages.

    A proxy that is trusted may have given it one already.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.id = _given_id(request) or secrets.token_hex(8)
        began = time.perf_counter()
        with logs.about(request=request.id):
            response = self.get_response(request)
            took = round((time.perf_counter() - began) * 1000)
            quiet = request.path.startswith(QUIET) and response.status_code < HTTPStatus.BAD_REQUEST
            level = logging.DEBUG if quiet else logging.INFO
            log.log(
                level, "%s %s %d %d ms", request.method, request.path, response.status_code, took
            )
        response.headers["X-Request-ID"] = request.id
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]
    ) -> None:
        """Note which operation an address is about."""
        key = kwargs.get("operation_id") or (
            kwargs.get("pk") if "/operations/" in request.path else None
        )
        if key is not None:
            logs.note(operation=str(key))


def _given_id(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if settings.SECURE_PROXY_SSL_HEADER and GIVEN_ID.fullmatch(given) else ""


class NobodyAsks:
    """Read no session where monitoring asks: the answer must come without a database (S-109)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == HEALTH:
            request.META.pop("HTTP_COOKIE", None)
        return self.get_response(request)


class SessionLimits:
    """End a session 30 minutes after the last act of its user, 12 hours after login (S-81)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            now = int(timezone.now().timestamp())
            self._limit(request, now)
        return self.get_response(request)

    def _limit(self, request: HttpRequest, now: int) -> None:
        session = request.session
        seen = session.get("seen_at", now)
        if now - seen > IDLE or now - session.get("started_at", now) > ABSOLUTE:
            logout(request)
            return
        session.setdefault("started_at", now)
        if "seen_at" not in session or (POLLS not in request.GET and now - seen >= NOTED_EVERY):
            session["seen_at"] = now


class FaultsToPages:
    """Turn what views raise into answers: a fault as itself, a bug as a reference number."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Render the error; what Django has handlers for is left to them."""
        if isinstance(error, Fault):
            return fault_response(request, error)
        if isinstance(error, Http404 | PermissionDenied | SuspiciousOperation) or settings.DEBUG:
            return None
        return bug_response(request, error)


class HtmxAnswers:
    """Make answers fit htmx: vary by its header, send messages along, never swap in a login."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        response = self.get_response(request)
        patch_vary_headers(response, ("HX-Request",))
        if not request.htmx:
            return response
        if response.status_code == HTTPStatus.FOUND:
            return _redirect(request, response)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return fault_response(request, _too_many())
        kind = response.headers.get("Content-Type", "")
        if response.status_code == HTTPStatus.OK and kind.startswith("text/html"):
            _append_messages(request, response)
        return response


def _too_many() -> Fault:
    fault = Fault(
        _("Too many wrong passwords. Nothing was changed."),
        action=_("Wait fifteen minutes, then try again."),
    )
    fault.kind = Kind.TOO_MANY
    return fault


def _redirect(request: Any, response: HttpResponse) -> HttpResponse:
    """Tell htmx to leave the page; a login comes back to the page, not to the fragment."""
    there = response.headers["Location"]
    if there.startswith(settings.LOGIN_URL):
        page = request.htmx.current_url_abs_path or "/"
        there = f"{settings.LOGIN_URL}?{urlencode({'next': page})}"
    answer = HttpResponse(status=204)
    answer.headers["HX-Redirect"] = there
    answer.cookies = response.cookies
    return answer


def _append_messages(request: HttpRequest, response: HttpResponse) -> None:
    waiting = list(messages.get_messages(request))
    if waiting:
        html = render_to_string("console/messages.html", {"messages": waiting, "out_of_band": True})
        response.content += html.encode()
