"""How a device proves who it is: HMAC-SHA256 under its own secret with a growing counter.

No clock and no client certificate is needed, because the CA is what changes. The counter is
stored before a request is sent, so a captured request is never accepted again.
"""

from __future__ import annotations

import hashlib
import hmac

from faults import Unauthenticated
from wire.values import Value

SCHEME = "ZCC1"


class Credentials(Value):
    """What the Authorization header carries."""

    device: str
    counter: int
    mac: str

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return "%s device=%s,counter=%d,mac=%s" % (SCHEME, self.device, self.counter, self.mac)


def sign(
    secret: str, *, device: str, counter: int, method: str, path: str, body: bytes
) -> Credentials:
    """Sign one request. `path` includes the query string, `secret` is hexadecimal."""
    return Credentials(device, counter, _mac(secret, device, counter, method, path, body))


def read_header(value: str) -> Credentials:
    """Take an Authorization header apart; raises Unauthenticated for anything else."""
    scheme, _, rest = value.partition(" ")
    parts = dict(part.partition("=")[::2] for part in rest.split(","))
    counter = parts.get("counter", "")
    if scheme != SCHEME or not counter.isascii() or not counter.isdigit() or len(counter) > 18:
        raise Unauthenticated("The request is not signed by a device.")
    return Credentials(parts.get("device", ""), int(counter), parts.get("mac", ""))


def matches(credentials: Credentials, secret: str, *, method: str, path: str, body: bytes) -> bool:
    """Tell, in constant time, whether the device that owns the secret signed this request."""
    device, counter = credentials.device, credentials.counter
    wanted = _mac(secret, device, counter, method, path, body)
    return hmac.compare_digest(wanted.encode(), credentials.mac.encode())


def derive_secret(master: bytes, *, device: str, epoch: int) -> str:
    """Derive a device's secret from the zone master; raising the epoch revokes it."""
    return hmac.new(master, b"zcc-device|%s|%d" % (device.encode(), epoch), "sha256").hexdigest()


def _mac(secret: str, device: str, counter: int, method: str, path: str, body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join((SCHEME, method, path, digest, device, str(counter)))
    return hmac.new(bytes.fromhex(secret), text.encode(), "sha256").hexdigest()
