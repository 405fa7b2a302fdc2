"""Endpoints of the EST protocol: CA certificates, enroll, and renew.

See: RFC 7030 4; RFC 8951
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audit.chain.actor import Actor, acting_as
from certificates import tasks
from certificates.acme import revoking
from certificates.acme.problems import RateLimited
from certificates.est import authentication, ca_certificates, enrollment
from certificates.est.problems import NotAuthenticated, UnsupportedContent, get_status
from certificates.models import AcmeAccount, AcmeCertificate, AcmeOrder
from certificates.revocation.host_certificates import get_leaf
from console.requests import logs
from console.requests.networks import get_network
from faults import Fault, TooMany
from pki.formats import bundles

PKCS7 = "application/pkcs7-mime"
CERTS_ONLY = f"{PKCS7}; smime-type=certs-only"
CSR = "application/pkcs10"
# The time in which the worker can sign before the response, and when the client repeats a request.
WAIT_SECONDS, POLL_SECONDS = 2.0, 0.1
PENDING_SECONDS = 5
# Such a request occupies a thread, so there is only one in a process.
_waiting = threading.BoundedSemaphore(1)
View = Callable[[HttpRequest], HttpResponse]
Order = Callable[[AcmeAccount, enrollment.Enrollment], AcmeOrder]


def endpoint(*methods: str) -> Callable[[View], View]:
    """Make a view an endpoint whose faults become plain text. Without a key, it is not found."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest) -> HttpResponse:
            if not authentication.is_enabled():
                raise Http404
            try:
                response = view(request)
            except Fault as fault:
                logs.add_log_context(problem=str(fault)[:200])
                response = _build_error(fault)
            response.headers["Cache-Control"] = "no-store"
            return response

        return csrf_exempt(login_not_required(require_http_methods(list(methods))(wrapped)))

    return decorate


def _build_error(fault: Fault) -> HttpResponse:
    response = HttpResponse(f"{fault}\n", status=get_status(fault), content_type="text/plain")
    if isinstance(fault, NotAuthenticated):
        response.headers["WWW-Authenticate"] = 'Basic realm="EST", charset="UTF-8"'
    if isinstance(fault, TooMany | RateLimited):
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


@endpoint("GET", "HEAD")
def download_ca_certificates(request: HttpRequest) -> HttpResponse:
    """Return the CA certificates. Everyone can read them, because they are not secret."""
    return _build_pkcs7(ca_certificates.list_ca_certificates(timezone.now()), PKCS7)


@endpoint("GET", "HEAD")
def show_csr_attributes(request: HttpRequest) -> HttpResponse:
    """Return that a CSR needs no further attributes (RFC 7030 4.5.2)."""
    return HttpResponse(status=204)


@endpoint("POST")
def enroll(request: HttpRequest) -> HttpResponse:
    """Return a new certificate, or 202 until it is signed."""
    now = timezone.now()
    return _respond(request, lambda account, found: enrollment.enroll(account, found, now))


@endpoint("POST")
def reenroll(request: HttpRequest) -> HttpResponse:
    """Return a certificate that replaces the current one, or 202 until it is signed."""
    now = timezone.now()
    return _respond(request, lambda account, found: enrollment.reenroll(account, found, now))


def _respond(request: HttpRequest, order: Order) -> HttpResponse:
    address = request.META.get("REMOTE_ADDR", "")
    key = authentication.authenticate(
        request.headers.get("Authorization", ""), get_network(address)
    )
    authentication.check_usable(key)
    with acting_as(Actor(f"EST: {key.label}"[:100], address)):
        account = authentication.get_account(key)
        found = order(account, enrollment.parse(_read(request)))
        certificate = enrollment.find_certificate(found)
        if certificate is None:
            tasks.enqueue_acme_signing(timezone.now())
            certificate = _wait(found)
        if certificate is None:
            return _build_pending()
        revoking.record_download(certificate, account, timezone.now())
    return _build_pkcs7([get_leaf(certificate)], CERTS_ONLY)


def _read(request: HttpRequest) -> bytes:
    if request.content_type != CSR:
        raise UnsupportedContent(_("The content type must be %s. No certificate was issued.") % CSR)
    return request.read(enrollment.MAX_BODY_BYTES + 1)


def _wait(order: AcmeOrder) -> AcmeCertificate | None:
    """Return the certificate of an order as soon as the worker has signed it, or None."""
    found = enrollment.find_certificate(order)
    if found is not None or not _waiting.acquire(blocking=False):
        return found
    try:
        end = time.monotonic() + WAIT_SECONDS
        while found is None and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            found = enrollment.find_certificate(order)
    finally:
        _waiting.release()
    return found


def _build_pending() -> HttpResponse:
    text = _("The certificate is not signed yet. Repeat the request with the same CSR.")
    response = HttpResponse(f"{text}\n", status=202, content_type="text/plain")
    response.headers["Retry-After"] = str(PENDING_SECONDS)
    return response


def _build_pkcs7(certificates: list[str], content_type: str) -> HttpResponse:
    # Without line breaks (RFC 4648 3.1, RFC 8951): strongSwan does not skip them.
    body = base64.b64encode(bundles.to_pkcs7(certificates))
    response = HttpResponse(body, content_type=content_type)
    response.headers["Content-Transfer-Encoding"] = "base64"
    return response
