"""DSSE envelopes: documents signed with the zone key (Ed25519).

The payload type is part of the signed bytes, so a document cannot be used as one of another type.

See: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii

from faults import Fault, Kind
from wire import ed25519
from wire.records import Record


class NotSigned(Fault):
    """The document is not signed with the key of this zone."""

    kind = Kind.REFUSED
    action = "The document was not used. Check that it belongs to this device's zone."


class Envelope(Record):
    """A signed document. `payload` and `signature` are Base64."""

    payload_type: str
    payload: str
    signature: str

    def verify(self, zone_pub: str, payload_type: str) -> bytes:
        """Return the payload; raises NotSigned unless the zone key signed it as that type.

        `zone_pub` is the Base64 of the 32 bytes of the public key.
        """
        if self.payload_type != payload_type:
            raise NotSigned("Expected a document of type %s." % payload_type)
        try:
            payload = base64.b64decode(self.payload, validate=True)
            signature = base64.b64decode(self.signature, validate=True)
            public = base64.b64decode(zone_pub, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotSigned("The signed document is not valid Base64.") from error
        if not ed25519.verify(
            public, pre_authentication_encoding(payload_type, payload), signature
        ):
            raise NotSigned("The document is not signed with the key of this device's zone.")
        return payload


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that DSSE signs for a payload (PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def build_envelope(payload_type: str, payload: bytes, signature: bytes) -> Envelope:
    """Return the envelope of a payload and its signature."""
    return Envelope(
        payload_type=payload_type,
        payload=base64.b64encode(payload).decode(),
        signature=base64.b64encode(signature).decode(),
    )
