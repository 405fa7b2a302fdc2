"""The text an administrator hands to a new device: `zcc1-<secret>-<pin>`.

The pin is the first 20 bytes of the SHA-256 of the zone's public key, base32. With it the device
knows the zone before it says the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from faults import Invalid
from wire.values import Value

PREFIX = "zcc1"


class BadRegistrationKey(Invalid):
    """The text is no registration key."""

    action = "Copy the whole key from the console; it has the form zcc1-SECRET-PIN."


class RegistrationKey(Value):
    """A secret of 130 random bits and the pin of the zone key."""

    secret: str
    pin: str

    def __repr__(self) -> str:
        return "RegistrationKey(pin=%r)" % self.pin

    def __str__(self) -> str:
        return "-".join((PREFIX, self.secret, self.pin))

    def fits(self, zone_pub: bytes) -> bool:
        """Tell whether a zone's public key (32 bytes) is the pinned one."""
        return hmac.compare_digest(self.pin, pin_of(zone_pub))


def pin_of(zone_pub: bytes) -> str:
    """Return the pin of a zone's public key."""
    digest = hashlib.sha256(zone_pub).digest()[:20]
    return base64.b32encode(digest).decode().lower()


def make(zone_pub: bytes) -> RegistrationKey:
    """Make a new key for a zone."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    secret = "".join(secrets.choice(alphabet) for _ in range(26))
    return RegistrationKey(secret, pin_of(zone_pub))


def read(text: str) -> RegistrationKey:
    """Read what an administrator typed; raises BadRegistrationKey."""
    parts = text.strip().lower().split("-")
    if len(parts) != 3 or parts[0] != PREFIX or len(parts[1]) != 26 or len(parts[2]) != 32:
        raise BadRegistrationKey("This is no registration key.")
    return RegistrationKey(parts[1], parts[2])
