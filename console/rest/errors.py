"""The responses of the REST API to errors: problem documents (RFC 9457)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from console.pages.errors import STATUS, problem

UNKNOWN_NAME = "extra_forbidden"


def fault_response(request: HttpRequest, fault: Any) -> HttpResponse:
    """Return the response to a fault."""
    errors = [{"field": fault.field, "message": fault.explanation}] if fault.field else []
    return problem(STATUS[fault.kind], fault.explanation, fault.action, errors=errors)


def http_error_response(request: HttpRequest, error: Any) -> HttpResponse:
    """Return the response to a request that the framework could not read."""
    return problem(error.status_code, str(error), _("Correct the request and try again."))


def invalid_response(request: HttpRequest, error: Any) -> HttpResponse:
    """Return the response to an invalid request, without the submitted values."""
    errors = [
        {"field": _get_field(wrong), "message": _get_message(wrong)} for wrong in error.errors
    ]
    first = ": ".join(filter(None, errors[0].values())) if errors else ""
    detail = _("The request is invalid: %s. Nothing was changed.") % first
    return problem(422, detail, _("Correct the request and try again."), errors=errors)


def _get_field(wrong: dict[str, Any]) -> str:
    """Return the name of an invalid value as the caller knows it, "" for the whole body.

    Before it, the location contains its place, such as `body`, and a parameter of the endpoint.
    """
    place, *names = [str(part) for part in wrong["loc"]]
    return ".".join(names[1:] or ([] if place == "body" else names))


def _get_message(wrong: dict[str, Any]) -> str:
    return _("This name is not known.") if wrong["type"] == UNKNOWN_NAME else str(wrong["msg"])


def raise_bug(request: HttpRequest, error: Any) -> HttpResponse:
    """Raise an unexpected error, which the middleware logs."""
    raise error
