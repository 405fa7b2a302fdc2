"""Middleware of the console: request IDs, session limits, errors, htmx responses."""

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
from django.contrib.auth import REDIRECT_FIELD_NAME, logout
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
# Frequent requests that are logged only if they fail.
PUBLIC_CHECKS = ("/livez", "/readyz", "/healthz", "/roots.pem")
# What a CA has signed about its certificates, for programs that have no session.
REVOCATION_PATHS = ("/crl/", "/ocsp")
# Signed requests of ACME clients.
ACME_PATHS = "/acme/"
QUIET_PATHS = (
    *("/zac/", "/content/", "/metrics", "/static/", "/running/", *REVOCATION_PATHS, ACME_PATHS),
    *PUBLIC_CHECKS,
)
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
IDLE_SECONDS = 30 * 60
LAST_SEEN_INTERVAL = 60
LIFETIME_SECONDS = 12 * 3600
# Automatic requests of a page have this parameter; they do not extend a session.
POLL_PARAMETER = "rev"
# The parameter of the login page that says why the login is shown: the session has ended, or it had
# ended when a form was submitted.
ENDED_PARAMETER = "ended"
ENDED, UNSENT = "session", "unsent"


class RequestIdMiddleware:
    """Assign an ID to each request for the log, the response, and error pages.

    The ID of a trusted proxy is kept.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.id = _get_proxy_request_id(request) or secrets.token_hex(8)
        started = time.perf_counter()
        with logs.request_log_context(request):
            response = self.get_response(request)
            milliseconds = round((time.perf_counter() - started) * 1000)
            quiet = (
                request.path.startswith(QUIET_PATHS)
                and response.status_code < HTTPStatus.BAD_REQUEST
            )
            level = logging.DEBUG if quiet else logging.INFO
            log.log(
                level,
                "%s %s %d %d ms",
                request.method,
                logs.describe_path(request),
                response.status_code,
                milliseconds,
            )
        response.headers["X-Request-ID"] = request.id
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]
    ) -> None:
        """Add the operation in the URL to the log context."""
        key = kwargs.get("operation_id") or (
            kwargs.get("pk") if "/operations/" in request.path else None
        )
        if key is not None:
            logs.add_log_context(operation=str(key))


def _get_proxy_request_id(request: HttpRequest) -> str:
    value = request.headers.get("X-Request-ID", "")
    return value if settings.SECURE_PROXY_SSL_HEADER and REQUEST_ID.fullmatch(value) else ""


class PublicCheckMiddleware:
    """Let load balancers and scripts use the public checks with any host name and no session.

    A balancer sends its own Host header or none. A cookie would require the database.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        if request.path in PUBLIC_CHECKS or request.path.startswith(REVOCATION_PATHS):
            request.META.pop("HTTP_COOKIE", None)
            request.get_host = lambda: "localhost"
        return self.get_response(request)


class SessionLimitsMiddleware:
    """End a session after 30 minutes without user activity, and 12 hours after login."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            now = int(timezone.now().timestamp())
            self._limit(request, now)
        return self.get_response(request)

    def _limit(self, request: HttpRequest, now: int) -> None:
        session = request.session
        seen_at = session.get("seen_at", now)
        if now - seen_at > IDLE_SECONDS or now - session.get("started_at", now) > LIFETIME_SECONDS:
            logout(request)
            return
        session.setdefault("started_at", now)
        is_active = POLL_PARAMETER not in request.GET and now - seen_at >= LAST_SEEN_INTERVAL
        if "seen_at" not in session or is_active:
            session["seen_at"] = now


class FaultMiddleware:
    """Convert exceptions of views to responses; a bug is shown only as a reference number."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the response to an error; None for errors that Django handles."""
        if isinstance(error, Fault):
            return fault_response(request, error)
        if isinstance(error, Http404 | PermissionDenied | SuspiciousOperation) or settings.DEBUG:
            return None
        return bug_response(request, error)


class HtmxResponseMiddleware:
    """Adapt responses to htmx: Vary header, messages, and redirects of the whole page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        response = self.get_response(request)
        patch_vary_headers(response, ("HX-Request",))
        if response.status_code == HTTPStatus.FOUND:
            response.headers["Location"] = _add_reason(request, response.headers["Location"])
        if not request.htmx:
            return response
        if response.status_code == HTTPStatus.FOUND:
            return _redirect(response)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return fault_response(request, _too_many_attempts())
        kind = response.headers.get("Content-Type", "")
        if response.status_code == HTTPStatus.OK and kind.startswith("text/html"):
            _append_messages(request, response)
        return response


def _too_many_attempts() -> Fault:
    fault = Fault(
        _("Too many failed login attempts. Nothing was changed."),
        action=_("Wait 15 minutes, then try again."),
    )
    fault.kind = Kind.TOO_MANY
    return fault


def _add_reason(request: Any, url: str) -> str:
    """Return the URL of a redirect. That of the login page says why a user has to log in again.

    After login, htmx requests return to the page and not to a fragment.
    """
    is_login = url.startswith(f"{settings.LOGIN_URL}?{REDIRECT_FIELD_NAME}=")
    had_session = settings.SESSION_COOKIE_NAME in request.COOKIES or bool(request.htmx)
    if not (is_login and had_session):
        return url
    reason = UNSENT if request.method == "POST" else ENDED
    if request.htmx:
        page = request.htmx.current_url_abs_path or "/"
        url = f"{settings.LOGIN_URL}?{urlencode({REDIRECT_FIELD_NAME: page})}"
    return f"{url}&{ENDED_PARAMETER}={reason}"


def _redirect(response: HttpResponse) -> HttpResponse:
    """Redirect the whole page."""
    redirect = HttpResponse(status=204)
    redirect.headers["HX-Redirect"] = response.headers["Location"]
    redirect.cookies = response.cookies
    return redirect


def _append_messages(request: HttpRequest, response: HttpResponse) -> None:
    pending = list(messages.get_messages(request))
    if pending:
        html = render_to_string("console/messages.html", {"messages": pending, "out_of_band": True})
        response.content += html.encode()
