"""The zone key (Ed25519, RFC 8032), which signs manifests and reports but not certificates."""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from faults.texts import gettext as _
from pki.errors import WrongKey


def generate_zone_key() -> tuple[str, str]:
    """Return a new zone key: private and public key, each 32 raw bytes in Base64."""
    return _encode_pair(ed25519.Ed25519PrivateKey.generate())


def sign(private_b64: str, message: bytes) -> bytes:
    """Return the 64-byte signature of a message."""
    return _load_private_key(private_b64).sign(message)


def verify(public_b64: str, message: bytes, signature: bytes) -> bool:
    """Return True if the signature is valid. Malformed keys and signatures are not."""
    try:
        raw = base64.b64decode(public_b64, validate=True)
        ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def get_public_key(private_b64: str) -> str:
    """Return the public key of a private zone key, in Base64."""
    return _encode_pair(_load_private_key(private_b64))[1]


def to_pem(private_b64: str) -> str:
    """Return a private zone key as PKCS #8 PEM, for use with openssl."""
    return (
        _load_private_key(private_b64)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode("ascii")
    )


def from_pem(pem: str) -> str:
    """Return a private zone key in Base64 from PKCS #8 PEM, or raise WrongKey."""
    try:
        key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    except Exception:  # without the cause, whose text could show key material
        raise WrongKey(_("The zone key cannot be parsed.")) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise WrongKey(_("The zone key is not an Ed25519 key."))
    return _encode_pair(key)[0]


def _load_private_key(private_b64: str) -> ed25519.Ed25519PrivateKey:
    try:
        raw = base64.b64decode(private_b64, validate=True)
        return ed25519.Ed25519PrivateKey.from_private_bytes(raw)
    except ValueError:
        raise WrongKey(_("The zone key cannot be parsed.")) from None


def _encode_pair(key: ed25519.Ed25519PrivateKey) -> tuple[str, str]:
    raw = (key.private_bytes_raw(), key.public_key().public_bytes_raw())
    private, public = (base64.b64encode(part).decode("ascii") for part in raw)
    return private, public
