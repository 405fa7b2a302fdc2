"""The OCSP responder: returns responses that a CA has signed in advance (RFC 5019).

It uses no key and writes nothing, so many requests only cost a query each. See D-268.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from certificates.revocation import ocsp
from pki.certificates import ocsp as protocol
from pki.errors import BadRequest

REQUEST, RESPONSE = "application/ocsp-request", "application/ocsp-response"
MAX_BYTES = 2048
# How long caches keep a response. They show a revocation after this time at the latest.
MAX_AGE_SECONDS = 3600


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def respond(request: HttpRequest, encoded: str = "") -> HttpResponseBase:
    """Return the response to an OCSP request, which the CA has signed in advance (RFC 5019).

    Errors have the HTTP status 200 and no signature (RFC 6960 4.2.2.3).
    """
    if request.method == "POST" and request.content_type != REQUEST:
        return HttpResponse(status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    try:
        wanted = protocol.parse_request(_read_request(request, encoded))
    except protocol.Unsupported:
        return _build_error(protocol.UNAUTHORIZED)
    except BadRequest:
        return _build_error(protocol.MALFORMED)
    now, found = timezone.now(), ocsp.find_response(wanted)
    if found is None:
        return _build_error(protocol.UNAUTHORIZED)
    if found.next_update <= now:
        return _build_error(protocol.TRY_LATER)
    return _build_response(request, found, now)


def _read_request(request: HttpRequest, encoded: str) -> bytes:
    """Return the request (DER) in the body or the URL. Raises BadRequest."""
    if request.method == "POST":
        body = request.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise BadRequest(_("The OCSP request is too long."))
        return body
    try:
        return base64.b64decode(encoded[: MAX_BYTES + 1], validate=True)
    except ValueError as error:
        raise BadRequest(_("The OCSP request cannot be parsed.")) from error


def _build_error(der: bytes) -> HttpResponse:
    response = HttpResponse(der, content_type=RESPONSE)
    response.headers["Cache-Control"] = "no-store"
    return response


def _build_response(
    request: HttpRequest, found: ocsp.StoredResponse, now: datetime
) -> HttpResponseBase:
    """Return a response with the header of RFC 5019 6.2, or "not modified"."""
    response = HttpResponse(found.der, content_type=RESPONSE)
    age = min(MAX_AGE_SECONDS, int((found.next_update - now).total_seconds()))
    etag = f'"{hashlib.sha256(found.der).hexdigest()}"'
    modified = int(found.this_update.timestamp())
    caching = f"max-age={age}, public, no-transform, must-revalidate"
    response.headers["Cache-Control"] = caching
    response.headers["Last-Modified"] = http_date(modified)
    response.headers["Expires"] = http_date(found.next_update.timestamp())
    response.headers["ETag"] = etag
    if request.method == "POST":
        return response
    return get_conditional_response(request, etag, modified, response) or response
