"""Bytes signed by the zone key: a DSSE envelope with an Ed25519 signature.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md. The payload type is signed
too, so that a document of one kind can never be taken for one of another.
"""

from __future__ import annotations

import base64
import binascii

from faults import Fault, Kind
from wire import ed25519
from wire.values import Value


class NotSigned(Fault):
    """The signature is not that of this zone's key."""

    kind = Kind.REFUSED
    action = "Nothing of it was used. Check that the file belongs to this device's zone."


class Envelope(Value):
    """`payload` and `signature` are base64; `payload_type` is part of what is signed."""

    payload_type: str
    payload: str
    signature: str

    def open(self, zone_pub: str, payload_type: str) -> bytes:
        """Return the payload if the zone key (base64 of 32 bytes) signed it as that type."""
        if self.payload_type != payload_type:
            raise NotSigned("A document of type %s was expected." % payload_type)
        try:
            payload = base64.b64decode(self.payload, validate=True)
            signature = base64.b64decode(self.signature, validate=True)
            public = base64.b64decode(zone_pub, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotSigned("The signed document is not base64.") from error
        if not ed25519.verify(public, signed_bytes(payload_type, payload), signature):
            raise NotSigned("The document is not signed by this device's zone.")
        return payload


def signed_bytes(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding of a payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def wrap(payload_type: str, payload: bytes, signature: bytes) -> Envelope:
    """Put a payload and its signature into an envelope."""
    return Envelope(
        payload_type=payload_type,
        payload=base64.b64encode(payload).decode(),
        signature=base64.b64encode(signature).decode(),
    )
