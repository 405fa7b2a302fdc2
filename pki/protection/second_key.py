"""The second zone key (SLH-DSA-SHA2-128s, FIPS 205). It signs the same documents as the zone key.

A signature takes about 0.4 seconds of CPU time, in which other threads of the process wait. So
requests of devices must not sign with it.

See: FIPS 205, 10.2; RFC 9909 (PKCS #8); D-175
"""

from __future__ import annotations

import base64

from pqcrypto.sign import slh_dsa_sha2_128s

from faults.texts import gettext as _
from pki.errors import WrongKey

_PRIVATE_LENGTH = 64
_PUBLIC_LENGTH = 32
# PrivateKeyInfo of RFC 5958: version 0, id-slh-dsa-sha2-128s, and 64 bytes of key.
_PKCS8_HEAD = bytes.fromhex("3052020100300b06096086480165030403140440")
_PEM_HEAD, _PEM_END = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"
_PEM_LINE = 64


def generate_second_key() -> str:
    """Return a new private key: 64 bytes in Base64, which contain the public key."""
    _public, private = slh_dsa_sha2_128s.keygen()
    return base64.b64encode(bytes(private)).decode("ascii")


def sign(private_b64: str, message: bytes) -> bytes:
    """Return the signature of a message (7856 bytes). It is verified before it is returned.

    A faulty computation could disclose the key, so it must not leave the process.
    """
    private = _decode(private_b64)
    signature = bytes(slh_dsa_sha2_128s.sign(private, message))
    slh_dsa_sha2_128s.verify(private[-_PUBLIC_LENGTH:], message, signature)
    return signature


def get_public_key(private_b64: str) -> str:
    """Return the public key of a private key: 32 bytes in Base64."""
    return base64.b64encode(_decode(private_b64)[-_PUBLIC_LENGTH:]).decode("ascii")


def to_pem(private_b64: str) -> str:
    """Return a private key as PKCS #8 PEM, for use with openssl 3.5 or later."""
    text = base64.b64encode(_PKCS8_HEAD + _decode(private_b64)).decode("ascii")
    lines = [text[start : start + _PEM_LINE] for start in range(0, len(text), _PEM_LINE)]
    return "\n".join([_PEM_HEAD, *lines, _PEM_END, ""])


def from_pem(pem: str) -> str:
    """Return a private key in Base64 from PKCS #8 PEM, or raise WrongKey."""
    body = pem.strip().removeprefix(_PEM_HEAD).removesuffix(_PEM_END)
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        der = b""
    private = base64.b64encode(der.removeprefix(_PKCS8_HEAD)).decode("ascii")
    if not der.startswith(_PKCS8_HEAD):
        raise WrongKey(_("The second zone key is not an SLH-DSA-SHA2-128s key."))
    _decode(private)
    return private


def _decode(private_b64: str) -> bytes:
    try:
        private = base64.b64decode(private_b64, validate=True)
    except ValueError:
        private = b""
    if len(private) != _PRIVATE_LENGTH:
        raise WrongKey(_("The second zone key cannot be parsed."))
    return private
