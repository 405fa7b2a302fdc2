"""What all endpoints of agents share: authentication, faults as problem documents, JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from audit.chain import actor
from console.pages.errors import STATUS
from devices.identity import authentication, copies
from devices.models import Device
from faults import Fault, Invalid, TooMany
from wire import json_codec, messages
from wire.authentication import RESPONSE_MAC

MAX_BODY_BYTES = 1 << 20
CONTENT_LENGTH = re.compile("[0-9]{1,18}")
View = Callable[..., HttpResponse]


def json_response(message: Any, status: int = 200) -> HttpResponse:
    """Return a message as a JSON response."""
    return HttpResponse(json_codec.dump(message), status=status, content_type="application/json")


def problem_response(fault: Fault) -> HttpResponse:
    """Return a fault as a problem document (RFC 9457)."""
    status = STATUS[fault.kind]
    kind = f"urn:zcc:{type(fault).__name__}"
    document = messages.Problem(
        title=fault.explanation,
        status=status,
        detail=fault.explanation,
        action=fault.action,
        type=kind,
    )
    response = HttpResponse(
        json_codec.dump(document), status=status, content_type="application/problem+json"
    )
    if isinstance(fault, TooMany):
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def agent_call(method: str) -> Callable[[View], View]:
    """Make a view an agent endpoint: one method, no session, faults as problem documents."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: str) -> HttpResponse:
            try:
                if request.method != method:
                    raise Invalid(f"This endpoint supports {method} only.")
                _check_content_length(request.headers.get("Content-Length") or "0")
                return view(request, *args, **kwargs)
            except Fault as fault:
                return problem_response(fault)

        return csrf_exempt(login_not_required(wrapped))

    return decorate


def _check_content_length(text: str) -> None:
    if not CONTENT_LENGTH.fullmatch(text):
        raise Invalid("The Content-Length of the request is not a number.")
    if int(text) > MAX_BODY_BYTES:
        raise Invalid("The request body exceeds the 1 MiB limit.")


def authenticate_device(view: View) -> View:
    """Require a signed request of a registered device, reject replays, and sign the response."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: str) -> HttpResponse:
        header = request.headers.get("Authorization", "")
        device = authenticate(request, header)
        # The view can change the credential epoch of the device.
        sign = authentication.get_response_signer(device, header)
        with actor.acting_as(actor.Actor(f"device {device.name}", get_client_address(request))):
            response = view(request, device, *args, **kwargs)
        response.headers[RESPONSE_MAC] = sign(response.status_code, response.content)
        return response

    return wrapped


def authenticate(request: HttpRequest, header: str) -> Device:
    """Return the device that signed the request; raises Unauthenticated."""
    now = timezone.now()
    try:
        return authentication.authenticate(
            header,
            method=request.method or "",
            path=request.get_full_path(),
            body=request.body,
            now=now,
        )
    except authentication.ReplayedRequest as fault:
        copies.record_rejection(fault.device, address=get_client_address(request), now=now)
        raise


def authenticate_returning(request: HttpRequest, header: str) -> Device:
    """Return the registered or unregistered device that signed a registration without a key."""
    try:
        return authenticate(request, header)
    except authentication.UnknownDevice:
        return authentication.authenticate_unregistered(
            header,
            method=request.method or "",
            path=request.get_full_path(),
            body=request.body,
        )


def get_client_address(request: HttpRequest) -> str:
    """Return the IP address of the client, "" if it is unknown."""
    return str(request.META.get("REMOTE_ADDR", ""))
