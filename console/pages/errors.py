"""How a fault leaves the console: the HTTP status of each kind, the page, the problem document."""

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
# Callers under these paths are programs: they get problem documents (RFC 9457).
PROGRAMS = ("/api/", "/zac/", "/content/", "/recovery")


def fault_response(request: HttpRequest, fault: Fault) -> HttpResponse:
    """Return a fault as the caller reads it: problem document, event for htmx, or page."""
    status = STATUS[fault.kind]
    if request.path.startswith(PROGRAMS):
        return problem(status, fault.explanation, fault.action)
    if getattr(request, "htmx", False):
        return _event(status, fault.explanation, fault.action)
    return _page(request, status, fault.explanation, fault.action)


def bug_response(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Log what nobody foresaw under a reference number, and show only the number (S-93)."""
    reference = getattr(request, "id", "") or secrets.token_hex(8)
    log.error("reference %s: %s %s", reference, request.method, request.path, exc_info=error)
    status, explanation = _words_for(error)
    action = _("Try again. If it happens again, report the reference number %s.") % reference
    if request.path.startswith(PROGRAMS):
        return problem(status, explanation, action)
    if getattr(request, "htmx", False):
        return _event(status, explanation, action)
    text = render_to_string(
        "console/bug.html", {"explanation": explanation, "action": action, "reference": reference}
    )
    return HttpResponse(text, status=status)


def _words_for(error: BaseException) -> tuple[int, str]:
    """Tell a part that does not answer from a bug; its own page must not ask the database."""
    if isinstance(error, OperationalError | InterfaceError):
        said = _("The database does not answer, is locked, or has no room. Nothing was changed.")
        return 503, said
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 503, _("The disk of this server is full. Nothing was changed.")
    return 500, _("Something went wrong that was not foreseen. Nothing was changed.")


def problem(status: int, detail: str, action: str, **more: Any) -> HttpResponse:
    """Return a problem document (RFC 9457); `more` are members besides the usual ones."""
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
    """Return a fault for htmx: nothing is swapped, the page shows the text as an alert."""
    response = HttpResponse(status=status)
    fault = {"zcc:fault": {"explanation": explanation, "action": action}}
    response.headers["HX-Trigger"] = json.dumps(fault)
    return response


def _page(request: HttpRequest, status: int, explanation: str, action: str) -> HttpResponse:
    context = {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "explanation": explanation,
        "action": action,
    }
    return render(request, "console/error.html", context, status=status)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that leads nowhere."""
    fault = NotFound(
        _("There is no such page, or it is not yours to see."),
        action=_("Check the address, or start from Home."),
    )
    return fault_response(request, fault)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a refusal by Django itself."""
    fault = Forbidden(_("You may not do this. Nothing was changed."))
    return fault_response(request, fault)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django could not read."""
    explanation = _("The request could not be read. Nothing was changed.")
    if request.path.startswith(PROGRAMS):
        return problem(400, explanation, _("Correct the request."))
    return _page(request, 400, explanation, _("Go back and try again."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose token is missing or old (S-87)."""
    fault = Forbidden(
        _("This form is out of date or came from another site. Nothing was changed."),
        action=_("Reload the page and try again."),
    )
    return fault_response(request, fault)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer where even the middleware failed."""
    return bug_response(request, sys.exception() or RuntimeError("unhandled"))
