"""Authentication of devices: HMAC-SHA256 with the secret of the device and a counter.

It needs no clock and no client certificate, because the CA is what changes. The counter is stored
before a request is sent, so a captured request is never accepted again.
"""

from __future__ import annotations

import hashlib
import hmac

from faults import Unauthenticated
from wire.records import Record

SCHEME = "ZCC1"
# Credentials of the previous identity of a device that registers with a registration key.
PREVIOUS_IDENTITY = "Zcc-Previous-Identity"


# The MAC of a response. Without it, any server of the zone could respond in place of the console.
RESPONSE_MAC = "Zcc-Response-Mac"


class Credentials(Record):
    """Contents of the Authorization header."""

    device: str
    counter: int
    mac: str

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return "%s device=%s,counter=%d,mac=%s" % (SCHEME, self.device, self.counter, self.mac)


def sign(
    secret: str, *, device: str, counter: int, method: str, path: str, body: bytes
) -> Credentials:
    """Return the credentials of one request. `path` includes the query, `secret` is hexadecimal."""
    return Credentials(device, counter, _mac(secret, device, counter, method, path, body))


def parse_header(value: str) -> Credentials:
    """Return the credentials in an Authorization header; raises Unauthenticated if invalid."""
    scheme, _, rest = value.partition(" ")
    parts = dict(part.partition("=")[::2] for part in rest.split(","))
    counter = parts.get("counter", "")
    if scheme != SCHEME or not counter.isascii() or not counter.isdigit() or len(counter) > 18:
        raise Unauthenticated("The request is not signed by a device.")
    return Credentials(parts.get("device", ""), int(counter), parts.get("mac", ""))


def verify(credentials: Credentials, secret: str, *, method: str, path: str, body: bytes) -> bool:
    """Return True if the request was signed with the secret; runs in constant time."""
    device, counter = credentials.device, credentials.counter
    expected = _mac(secret, device, counter, method, path, body)
    return hmac.compare_digest(expected.encode(), credentials.mac.encode())


def sign_response(secret: str, request_mac: str, *, status: int, body: bytes) -> str:
    """Return the MAC of a response. It includes that of the request, so it is valid once."""
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join((SCHEME, "response", request_mac, str(status), digest))
    return hmac.new(bytes.fromhex(secret), text.encode(), "sha256").hexdigest()


def verify_response(
    secret: str, request_mac: str, *, status: int, body: bytes, response_mac: str
) -> bool:
    """Return True if the console signed this response to this request; runs in constant time."""
    expected = sign_response(secret, request_mac, status=status, body=body)
    return hmac.compare_digest(expected.encode(), response_mac.encode())


def derive_secret(master: bytes, *, device: str, epoch: int) -> str:
    """Return a device's secret, derived from the zone master key; a higher epoch revokes it."""
    return hmac.new(master, b"zcc-device|%s|%d" % (device.encode(), epoch), "sha256").hexdigest()


def _mac(secret: str, device: str, counter: int, method: str, path: str, body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join((SCHEME, method, path, digest, device, str(counter)))
    return hmac.new(bytes.fromhex(secret), text.encode(), "sha256").hexdigest()
