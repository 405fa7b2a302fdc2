"""Responses to faults and bugs: HTTP status, error page, problem document."""

from __future__ import annotations

import errno
import json
import logging
import secrets
import sys
from http import HTTPStatus
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.requests.logs import describe_path
from faults import Fault, Forbidden, Kind, NotFound

log = logging.getLogger("zcc.errors")

STATUS = {
    Kind.INVALID: 422,
    Kind.REFUSED: 409,
    Kind.CONFLICT: 409,
    Kind.FORBIDDEN: 403,
    Kind.UNAUTHENTICATED: 401,
    Kind.NOT_FOUND: 404,
    Kind.TOO_MANY: 429,
    Kind.TOO_LARGE: 413,
    Kind.UNAVAILABLE: 503,
}
# Headings of error pages. Programs get the reason phrases of HTTP, which are not translated.
TITLES = {
    400: gettext_lazy("Bad Request"),
    401: gettext_lazy("Unauthorized"),
    403: gettext_lazy("Forbidden"),
    404: gettext_lazy("Not Found"),
    409: gettext_lazy("Conflict"),
    413: gettext_lazy("Request Too Large"),
    422: gettext_lazy("Invalid Request"),
    429: gettext_lazy("Too Many Requests"),
    503: gettext_lazy("Service Unavailable"),
}
# Callers of these paths are programs and receive problem documents (RFC 9457).
API = "/api/v1/"
PROGRAMS = ("/api/", "/zac/", "/acme/", "/content/", "/recovery")


def fault_response(request: HttpRequest, fault: Fault) -> HttpResponse:
    """Return a fault as a problem document, an htmx event, or a page, as the caller needs."""
    status = STATUS[fault.kind]
    if request.path.startswith(PROGRAMS):
        return problem(status, fault.explanation, fault.action)
    if getattr(request, "htmx", False):
        return _event(status, fault.explanation, fault.action)
    return _page(request, status, fault.explanation, fault.action)


def bug_response(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Log an unexpected error under a reference number, and return only the number."""
    reference = getattr(request, "id", "") or secrets.token_hex(8)
    path = describe_path(request)
    log.error("reference %s: %s %s", reference, request.method, path, exc_info=error)
    status, explanation = _describe_error(error)
    action = (
        _("Try again. If the problem continues, contact your administrator and quote reference %s.")
        % reference
    )
    if request.path.startswith(PROGRAMS):
        return problem(status, explanation, action)
    if getattr(request, "htmx", False):
        return _event(status, explanation, action)
    text = render_to_string(
        "console/bug.html", {"explanation": explanation, "action": action, "reference": reference}
    )
    return HttpResponse(text, status=status)


def _describe_error(error: BaseException) -> tuple[int, str]:
    """Return the HTTP status and the explanation of an error.

    An unavailable database or a full disk is a fault of the environment, not of the code.
    """
    if isinstance(error, OperationalError | InterfaceError):
        text = _("The database is unavailable, locked, or out of disk space. Nothing was changed.")
        return 503, text
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 503, _("The disk of this server is full. Nothing was changed.")
    return 500, _("An unexpected error occurred. Nothing was changed.")


def problem(status: int, detail: str, action: str, **more: Any) -> HttpResponse:
    """Return a problem document (RFC 9457); `more` are additional members."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "action": action,
        **more,
    }
    return HttpResponse(json.dumps(body), status=status, content_type="application/problem+json")


def _event(status: int, explanation: str, action: str) -> HttpResponse:
    """Return a fault for htmx: the page shows the text as an alert and swaps nothing."""
    response = HttpResponse(status=status)
    fault = {"zcc:fault": {"explanation": explanation, "action": action}}
    response.headers["HX-Trigger"] = json.dumps(fault)
    return response


def _page(request: HttpRequest, status: int, explanation: str, action: str) -> HttpResponse:
    context = {
        "status": status,
        "title": TITLES[status],
        "explanation": explanation,
        "action": action,
    }
    return render(request, "console/error.html", context, status=status)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response to an unknown URL."""
    fault = NotFound(
        _("This page does not exist or you do not have permission to view it."),
        action=_("Check the address, or go to the Home page."),
    )
    if request.path.startswith(API):
        fault.action = _("Check the address. The addresses are listed at %s.") % f"{API}docs"
    return fault_response(request, fault)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response to PermissionDenied of Django."""
    fault = Forbidden(_("You do not have permission to do this. Nothing was changed."))
    return fault_response(request, fault)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response to a request that Django could not parse."""
    explanation = _("The request is invalid. Nothing was changed.")
    if request.path.startswith(PROGRAMS):
        return problem(400, explanation, _("Correct the request and try again."))
    return _page(request, 400, explanation, _("Go back and try again."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the response to a form with a missing or expired CSRF token."""
    fault = Forbidden(
        _("This form has expired or was submitted from another site. Nothing was changed."),
        action=_("Reload the page and try again."),
    )
    return fault_response(request, fault)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the response to an error in the middleware."""
    return bug_response(request, sys.exception() or RuntimeError("unhandled"))
