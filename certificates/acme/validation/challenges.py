"""The three challenges with which a client proves that it controls a name.

See: RFC 8555 8.3, 8.4; RFC 8737; D-303, D-330
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import Any

import dns.exception
import dns.resolver
from django.conf import settings
from django.utils.translation import gettext as _

from certificates.acme.problems import Malformed, ValidationFailed
from certificates.acme.validation import addresses, limits
from certificates.acme.validation.limits import Deadline, LimitedStream
from pki.certificates import tls_alpn
from pki.errors import PkiFault

HTTP, DNS, TLS_ALPN = "http-01", "dns-01", "tls-alpn-01"
METHODS = (HTTP, DNS, TLS_ALPN)
PATH = "/.well-known/acme-challenge/"
PROTOCOL = "acme-tls/1"
MAX_BODY_BYTES = 1024
OK = 200


def check(method: str, name: str, token: str, response: str) -> None:
    """Check a challenge. Raise ValidationFailed if it is not fulfilled in `limits.TOTAL_SECONDS`.

    `response` is the key authorization: the token, and the thumbprint of the account.
    """
    deadline = Deadline(limits.TOTAL_SECONDS)
    if method == HTTP:
        _check_http(name, token, response, deadline)
    elif method == DNS:
        _check_dns(name, response, deadline)
    elif method == TLS_ALPN:
        _check_tls_alpn(name, response, deadline)
    else:
        raise Malformed(_("The challenge was not found. Nothing was changed."))


def _check_http(name: str, token: str, expected: str, deadline: Deadline) -> None:
    url = f"http://{name}{PATH}{token}"
    try:
        status, body = _get(name, PATH + token, deadline)
    except (OSError, HTTPException) as error:
        raise ValidationFailed(
            _("%s does not respond in time, or not correctly.") % url, kind="connection"
        ) from error
    if status != OK:
        text = _("%(url)s responds with the status %(status)d. Redirects are not followed.")
        raise ValidationFailed(text % {"url": url, "status": status}, kind="unauthorized")
    if not hmac.compare_digest(body.rstrip(), expected.encode()):
        raise ValidationFailed(
            _("%s does not return the key authorization of the account.") % url, kind="unauthorized"
        )


def _get(name: str, path: str, deadline: Deadline) -> tuple[int, bytes]:
    """Return status and start of the body of an HTTP resource of a permitted address."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {name}", "Accept-Encoding: identity")
    request = "\r\n".join((*lines, "Connection: close", "", ""))
    with addresses.connect(name, settings.ACME_HTTP_PORT, deadline) as connection:
        connection.settimeout(deadline.get_remaining())
        connection.sendall(request.encode("ascii"))
        stream: Any = LimitedStream(connection, deadline)
        with HTTPResponse(stream, method="GET") as response:
            response.begin()
            return response.status, _read(response)


def _read(response: HTTPResponse) -> bytes:
    """Return the start of a body."""
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        piece = response.read1(MAX_BODY_BYTES)
        if not piece:
            break
        body += piece
    return body


def _check_dns(name: str, response: str, deadline: Deadline) -> None:
    digest = hashlib.sha256(response.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    record = f"_acme-challenge.{name}."
    try:
        found = build_resolver().resolve(record, "TXT", lifetime=deadline.get_remaining())
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise ValidationFailed(
            _("The TXT record %s was not found by the DNS servers.") % record, kind="dns"
        ) from error
    texts = [b"".join(row.strings) for row in found]
    if not any(hmac.compare_digest(text, expected) for text in texts):
        raise ValidationFailed(
            _("The TXT record %s does not contain the expected value.") % record,
            kind="unauthorized",
        )


def build_resolver() -> dns.resolver.Resolver:
    """Return a resolver with the DNS servers of this system, without a cache."""
    return dns.resolver.Resolver()


def _check_tls_alpn(name: str, response: str, deadline: Deadline) -> None:
    der = _get_tls_alpn_certificate(name, deadline)
    try:
        tls_alpn.check(der, name, hashlib.sha256(response.encode()).digest())
    except PkiFault as fault:
        raise ValidationFailed(fault.explanation, kind="unauthorized") from fault


def _get_tls_alpn_certificate(name: str, deadline: Deadline) -> bytes:
    # The host presents a self-signed certificate that proves its control of the name. So it is
    # compared with the expected values instead of being verified (RFC 8737 3).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL])
    outgoing = addresses.connect(name, settings.ACME_TLS_PORT, deadline)
    try:
        # It limits the whole handshake, not each read.
        outgoing.settimeout(deadline.get_remaining())
        with context.wrap_socket(outgoing, server_hostname=name) as connection:
            protocol = connection.selected_alpn_protocol()
            der = connection.getpeercert(binary_form=True) or b""
    except (OSError, ValueError) as error:
        raise ValidationFailed(_("The TLS connection to %s failed.") % name, kind="tls") from error
    finally:
        with suppress(OSError):
            outgoing.close()
    if protocol != PROTOCOL:
        raise ValidationFailed(_("%s does not support the protocol acme-tls/1.") % name, kind="tls")
    return der
