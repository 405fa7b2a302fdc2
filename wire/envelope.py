"""DSSE envelopes: documents signed with the zone key (Ed25519) and the second zone key (SLH-DSA).

The payload type is part of the signed bytes, so a document cannot be used as one of another type.
Both signatures are over the same bytes. A device that has stored both keys requires both (D-175).

See: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii

from faults import Fault, Kind
from wire.records import Record
from wire.signatures import ed25519, slh_dsa


class NotSigned(Fault):
    """The document is not signed with the key of this zone."""

    kind = Kind.REFUSED
    action = "The document was not used. Check that it belongs to this device's zone."


class PublicKeys(Record):
    """The public keys of a zone, each the Base64 of 32 bytes.

    `second_pub` is "" for a verifier that does not know the second key.
    """

    zone_pub: str
    second_pub: str = ""


class Envelope(Record):
    """A signed document. All fields but the type are Base64.

    `second_signature` is "" in zones without a second key. Agents of the previous version ignore
    it.
    """

    payload_type: str
    payload: str
    signature: str
    second_signature: str = ""

    def verify(self, keys: PublicKeys, payload_type: str) -> bytes:
        """Return the payload; raises NotSigned unless all `keys` signed it as that type."""
        if self.payload_type != payload_type:
            raise NotSigned("Expected a document of type %s." % payload_type)
        try:
            payload = base64.b64decode(self.payload, validate=True)
            signature = base64.b64decode(self.signature, validate=True)
            public = base64.b64decode(keys.zone_pub, validate=True)
            second_signature = base64.b64decode(self.second_signature, validate=True)
            second_public = base64.b64decode(keys.second_pub, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotSigned("The signed document is not valid Base64.") from error
        encoded = pre_authentication_encoding(payload_type, payload)
        if not ed25519.verify(public, encoded, signature):
            raise NotSigned("The document is not signed with the key of this device's zone.")
        if keys.second_pub and not slh_dsa.verify(second_public, encoded, second_signature):
            raise NotSigned("The document is not signed with the second key of this device's zone.")
        return payload


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that DSSE signs for a payload (PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def build_envelope(
    payload_type: str, payload: bytes, signature: bytes, second_signature: bytes = b""
) -> Envelope:
    """Return the envelope of a payload and its signatures."""
    return Envelope(
        payload_type=payload_type,
        payload=base64.b64encode(payload).decode(),
        signature=base64.b64encode(signature).decode(),
        second_signature=base64.b64encode(second_signature).decode(),
    )
