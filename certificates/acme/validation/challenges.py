"""The three challenges with which a client proves that it controls a name.

See: RFC 8555 8.3, 8.4; RFC 8737; D-303
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

import dns.exception
import dns.resolver
from django.conf import settings
from django.utils.translation import gettext as _

from certificates.acme.problems import Malformed, ValidationFailed
from certificates.acme.validation import addresses
from pki.certificates import tls_alpn
from pki.errors import PkiFault

HTTP, DNS, TLS_ALPN = "http-01", "dns-01", "tls-alpn-01"
METHODS = (HTTP, DNS, TLS_ALPN)
PATH = "/.well-known/acme-challenge/"
PROTOCOL = "acme-tls/1"
READ_SECONDS, DNS_SECONDS = 3.0, 5.0
TOTAL_SECONDS = 8.0
MAX_BODY_BYTES = 1024
OK = 200


def check(method: str, name: str, token: str, response: str) -> None:
    """Check a challenge. Raise ValidationFailed if it is not fulfilled.

    `response` is the key authorization: the token, and the thumbprint of the account.
    """
    if method == HTTP:
        _check_http(name, token, response)
    elif method == DNS:
        _check_dns(name, response)
    elif method == TLS_ALPN:
        _check_tls_alpn(name, response)
    else:
        raise Malformed(_("The challenge was not found. Nothing was changed."))


class _GuardedConnection(HTTPConnection):
    """HTTP to a permitted address of the host. Redirects are not followed."""

    def connect(self) -> None:
        """Connect to a permitted address."""
        self.sock: Any = addresses.connect(self.host, self.port or 80)
        self.sock.settimeout(READ_SECONDS)


def _check_http(name: str, token: str, expected: str) -> None:
    connection = _GuardedConnection(name, settings.ACME_HTTP_PORT)
    url = f"http://{name}{PATH}{token}"
    try:
        connection.request("GET", PATH + token, headers={"Host": name, "Connection": "close"})
        response = connection.getresponse()
        body = _read(response)
    except (OSError, HTTPException) as error:
        raise ValidationFailed(
            _("%s does not respond in time, or not correctly.") % url, kind="connection"
        ) from error
    finally:
        connection.close()
    if response.status != OK:
        text = _("%(url)s responds with the status %(status)d. Redirects are not followed.")
        raise ValidationFailed(text % {"url": url, "status": response.status}, kind="unauthorized")
    if not hmac.compare_digest(body.rstrip(), expected.encode()):
        raise ValidationFailed(
            _("%s does not return the key authorization of the account.") % url, kind="unauthorized"
        )


def _read(response: Any) -> bytes:
    """Return the start of a body. A host that sends it slowly does not delay the worker."""
    body, end = b"", time.monotonic() + TOTAL_SECONDS
    while len(body) <= MAX_BODY_BYTES and time.monotonic() < end:
        piece = response.read1(MAX_BODY_BYTES)
        if not piece:
            break
        body += piece
    return body


def _check_dns(name: str, response: str) -> None:
    digest = hashlib.sha256(response.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    record = f"_acme-challenge.{name}."
    try:
        found = build_resolver().resolve(record, "TXT", lifetime=DNS_SECONDS)
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


def _check_tls_alpn(name: str, response: str) -> None:
    der = _get_tls_alpn_certificate(name)
    try:
        tls_alpn.check(der, name, hashlib.sha256(response.encode()).digest())
    except PkiFault as fault:
        raise ValidationFailed(fault.explanation, kind="unauthorized") from fault


def _get_tls_alpn_certificate(name: str) -> bytes:
    # The host presents a self-signed certificate that proves its control of the name. So it is
    # compared with the expected values instead of being verified (RFC 8737 3).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL])
    outgoing = addresses.connect(name, settings.ACME_TLS_PORT)
    try:
        outgoing.settimeout(READ_SECONDS)
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
