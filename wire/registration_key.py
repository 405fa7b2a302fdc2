"""Registration keys of new devices: `zcc1-<secret>-<pin>`.

The pin is the first 20 bytes of the SHA-256 of the zone's public key, Base32. The device verifies
the zone with it before it sends the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from faults import Invalid
from wire.records import Record

PREFIX = "zcc1"


class BadRegistrationKey(Invalid):
    """The text is not a registration key."""

    action = "Copy the complete key from the console. Its format is zcc1-SECRET-PIN."


class RegistrationKey(Record):
    """A secret of 130 random bits and the pin of the zone key."""

    secret: str
    pin: str

    def __repr__(self) -> str:
        return "RegistrationKey(pin=%r)" % self.pin

    def __str__(self) -> str:
        return "-".join((PREFIX, self.secret, self.pin))

    def is_for_zone(self, zone_pub: bytes) -> bool:
        """Return True if a zone's public key (32 bytes) is the pinned one."""
        return hmac.compare_digest(self.pin, pin_of(zone_pub))


def pin_of(zone_pub: bytes) -> str:
    """Return the pin of a zone's public key."""
    digest = hashlib.sha256(zone_pub).digest()[:20]
    return base64.b32encode(digest).decode().lower()


def create(zone_pub: bytes) -> RegistrationKey:
    """Return a new registration key for a zone."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    secret = "".join(secrets.choice(alphabet) for _ in range(26))
    return RegistrationKey(secret, pin_of(zone_pub))


def parse(text: str) -> RegistrationKey:
    """Return the registration key in a text; raises BadRegistrationKey."""
    parts = text.strip().lower().split("-")
    if len(parts) != 3 or parts[0] != PREFIX or len(parts[1]) != 26 or len(parts[2]) != 32:
        raise BadRegistrationKey("The registration key is not valid.")
    return RegistrationKey(parts[1], parts[2])
