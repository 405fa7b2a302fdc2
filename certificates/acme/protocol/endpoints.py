"""What all endpoints of the ACME protocol share: signed requests, nonces, and problem documents.

See: RFC 8555 6
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from limits import RateLimitItemPerMinute

from audit.chain.actor import Actor, acting_as
from certificates.acme import accounts
from certificates.acme.problems import (
    AccountDoesNotExist,
    AcmeProblem,
    Malformed,
    RateLimited,
    describe_fault,
)
from certificates.acme.protocol import jws, nonces, server_names
from certificates.models import AcmeAccount
from console.requests import logs
from console.requests.networks import get_network
from devices.registration import throttle
from faults import Fault, TooMany

MAX_BODY_BYTES = 128 * 1024
CONTENT_TYPE = "application/jose+json"
UNKNOWN_KEYS = RateLimitItemPerMinute(120, namespace="acme-unknown-key")
ACCOUNT_NAME = "acme:account"


@dataclass(frozen=True)
class Call:
    """A verified request: the key that signed it, its account if it is known, and its content."""

    request: HttpRequest
    signed: jws.SignedRequest
    jwk: dict[str, str]
    thumbprint: str
    found: AcmeAccount | None
    now: datetime

    @property
    def account(self) -> AcmeAccount:
        """Return the account. Raises Malformed if the request names none."""
        if self.found is None or self.signed.kid is None:
            raise Malformed(_("The request must name the account. Nothing was changed."))
        return self.found

    @property
    def is_read(self) -> bool:
        """Return True for POST-as-GET (RFC 8555 6.3)."""
        return self.signed.payload == b""

    def load(self) -> dict[str, Any]:
        """Return the content as a JSON object, or raise Malformed."""
        return self.signed.load_payload()


View = Callable[..., HttpResponse]


def public(method: str) -> Callable[[View], View]:
    """Make a view an endpoint without a signature."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, **values: str) -> HttpResponse:
            if not accounts.is_enabled(timezone.now()):
                raise Http404

            def run() -> HttpResponse:
                server_names.check_host(request)
                return view(request, **values)

            return _respond(request, run)

        methods = ["GET", "HEAD"] if method == "GET" else [method]
        return login_not_required(require_http_methods(methods)(wrapped))

    return decorate


def signed(view: View) -> View:
    """Make a view an endpoint for signed requests. It receives a Call."""

    @wraps(view)
    def wrapped(request: HttpRequest, **values: str) -> HttpResponse:
        if not accounts.is_enabled(timezone.now()):
            raise Http404

        def run() -> HttpResponse:
            call = _authenticate(request)
            with acting_as(_get_actor(call)):
                return view(call, **values)

        response = _respond(request, run)
        response.headers["Replay-Nonce"] = nonces.create(timezone.now())
        return response

    return csrf_exempt(login_not_required(require_http_methods(["POST"])(wrapped)))


def _authenticate(request: HttpRequest) -> Call:
    """Verify a request. Its nonce is used when the signature is valid."""
    now = timezone.now()
    server_names.check_host(request)
    if request.content_type != CONTENT_TYPE:
        raise Malformed(_("The content type must be %s. Nothing was changed.") % CONTENT_TYPE)
    body = request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise Malformed(_("The request is too long. Nothing was changed."))
    parsed = jws.parse(body)
    if parsed.header.get("url") != request.build_absolute_uri():
        problem = Malformed(_("The URL in the header is not that of the request."))
        problem.type, problem.status = "unauthorized", 403
        raise problem
    if ("jwk" in parsed.header) == ("kid" in parsed.header):
        raise Malformed(_("The header must contain either a key or an account."))
    if parsed.kid is not None:
        account = accounts.find_by_id(_get_id(request, parsed.kid))
        jwk, thumbprint = account.jwk, account.thumbprint
    else:
        jwk = jws.check_public_key(parsed.header.get("jwk"))
        thumbprint = jws.get_thumbprint(jwk)
    jws.verify(parsed, jwk)
    found = account if parsed.kid is not None else accounts.find_by_thumbprint(thumbprint)
    if found is None:
        _limit_unknown_keys(request)
    nonces.use(parsed.header.get("nonce"), now)
    return Call(request, parsed, jwk, thumbprint, found, now)


def _limit_unknown_keys(request: HttpRequest) -> None:
    """Raise RateLimited if a network sends too many requests that are signed by unknown keys.

    Everyone can create such keys, and each request stores its nonce.
    """
    network = get_network(request.META.get("REMOTE_ADDR", ""))
    try:
        throttle.check(UNKNOWN_KEYS, network)
    except TooMany as fault:
        raise RateLimited(
            _("Too many requests from this address have an unknown key. Nothing was changed."),
            action=_("Try again in a minute."),
        ) from fault
    throttle.record(UNKNOWN_KEYS, network)


def _get_id(request: HttpRequest, kid: str) -> str:
    prefix, _slash, guid = kid.rpartition("/")
    if f"{prefix}/" != build_url(request, ACCOUNT_NAME, guid=""):
        raise AccountDoesNotExist(_("The account was not found. Nothing was changed."))
    return guid


def build_url(request: HttpRequest, name: str, **values: Any) -> str:
    """Return the absolute URL of an endpoint. An empty `guid` yields the start of its URLs."""
    if values.get("guid") == "":
        path = reverse(name, kwargs={**values, "guid": "0"}).removesuffix("0")
    else:
        path = reverse(name, kwargs=values)
    return request.build_absolute_uri(path)


def _get_actor(call: Call) -> Actor:
    address = call.request.META.get("REMOTE_ADDR", "")
    label = call.found.account_key.label if call.found is not None else "new account"
    return Actor(f"ACME: {label}"[:100], address)


def _respond(request: HttpRequest, run: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        response = run()
    except Fault as fault:
        response = _build_problem(fault)
        logs.add_log_context(problem=str(fault)[:200])
    directory = request.build_absolute_uri(reverse("acme:directory"))
    links = [response.headers["Link"]] if "Link" in response.headers else []
    response.headers["Link"] = ", ".join([f'<{directory}>;rel="index"', *links])
    response.headers["Cache-Control"] = "no-store"
    return response


def _build_problem(fault: Fault) -> HttpResponse:
    document = describe_fault(fault)
    response = json_response(document, status=document["status"])
    response.headers["Content-Type"] = "application/problem+json"
    if isinstance(fault, RateLimited):
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def json_response(
    document: dict[str, Any], *, status: int = 200, location: str = ""
) -> HttpResponse:
    """Return a resource as JSON, with its URL if it is not that of the request."""
    response = HttpResponse(json.dumps(document), status=status, content_type="application/json")
    if location:
        response.headers["Location"] = location
    return response


__all__ = ["AcmeProblem", "Call", "build_url", "json_response", "public", "signed"]
