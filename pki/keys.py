"""Private and public keys and the policy on them (docs/decisions.md D-9)."""

from __future__ import annotations

import functools
import math

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pki.certificates import loading
from pki.certificates.loading import PrivateKey, PublicKey
from pki.errors import WeakKey, WrongKey

# PEM, or a key inside a token.
SigningKey = str | PrivateKey
KEY_LENGTHS = (256, 384, 2048, 3072, 4096)
DEFAULT_KEY_LENGTH = 256
KEY_LABELS: dict[int, str] = {
    256: "EC P-256",
    384: "EC P-384",
    2048: "RSA 2048",
    3072: "RSA 3072",
    4096: "RSA 4096",
}

_CURVES: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1()}
_CURVE_NAMES = frozenset(curve.name for curve in _CURVES.values())
_EXPONENT = 65537
_FERMAT_ROUNDS = 100
_SQUARES_MOD_64 = sum(1 << square for square in {i * i % 64 for i in range(64)})
_MAX_FILE = 64 * 1024


def make_key(length: int) -> str:
    """Return a new private key of one of KEY_LENGTHS bits, as unencrypted PKCS#8 PEM."""
    if length not in KEY_LENGTHS:
        raise WeakKey(f"A key of {length} bits cannot be generated.", action=_lengths())
    if length in _CURVES:
        return _private_pem(ec.generate_private_key(_CURVES[length]))
    return _private_pem(rsa.generate_private_key(_EXPONENT, length))


def read_key(data: bytes) -> str:
    """Return the private key of a `key.der` as PKCS#8 PEM.

    PKCS#8, PKCS#1 and SEC 1 are read, DER or PEM, unencrypted (manual, 1.3.2).
    """
    if len(data) > _MAX_FILE:
        raise WrongKey("The key file is too large; nothing was read.")
    is_pem = b"-----BEGIN" in data
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        key = load(data, password=None)
    except TypeError:
        raise WrongKey(
            "The key file is encrypted.", action="Store the key unencrypted, with mode 0600."
        ) from None
    except Exception:  # without the cause, whose text could show key material
        raise WrongKey(
            "The key file holds no private key that can be read.",
            action="Store the key as PKCS#8 or PKCS#1, DER or PEM, unencrypted.",
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise WeakKey("The key is neither an RSA nor an EC key.")
    check_loaded(key.public_key())
    return _private_pem(key)


def public_key(key_pem: str) -> str:
    """Return the public part of a private key, as SubjectPublicKeyInfo PEM."""
    return loading.public_pem(loading.load_private(key_pem).public_key())


def key_length(pem: str) -> int:
    """Return the length of a private or public key in bits."""
    return _any_public(pem).key_size


def check_public_key(spki_pem: str) -> None:
    """Raise WeakKey unless the key policy accepts the key (docs/decisions.md D-9)."""
    check_loaded(loading.load_public(spki_pem))


def same_key(key_pem: str, other_pem: str) -> bool:
    """Tell whether a private key belongs to a certificate, request or public key (all PEM)."""
    return loading.load_private(key_pem).public_key() == _any_public(other_pem)


def check_loaded(key: PublicKey) -> None:
    """Raise WeakKey unless the key policy accepts a key that has been loaded."""
    if loading.is_rsa(key):
        _check_rsa(key)
    if loading.is_ec(key) and key.curve.name not in _CURVE_NAMES:
        raise WeakKey(f"An EC key on the curve {key.curve.name} is not accepted.")


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    if key.key_size not in KEY_LENGTHS:
        raise WeakKey(f"An RSA key of {key.key_size} bits is not accepted.")
    numbers = key.public_numbers()
    if numbers.e < _EXPONENT or numbers.e % 2 == 0:
        raise WeakKey("The public exponent of the RSA key is too small or even.")
    if numbers.n % 2 == 0 or _has_close_primes(numbers.n):
        raise WeakKey("The RSA key can be factored: it was made by a faulty generator.")


@functools.lru_cache(maxsize=64)
def _has_close_primes(modulus: int) -> bool:
    """Tell whether Fermat's method factors the modulus within a hundred rounds."""
    a = math.isqrt(modulus)
    rest = a * a - modulus
    for _ in range(_FERMAT_ROUNDS + 1):
        # Squares leave few remainders modulo 64: most rounds need no root.
        may_be_square = rest >= 0 and _SQUARES_MOD_64 >> (rest & 63) & 1
        if may_be_square and math.isqrt(rest) ** 2 == rest:
            return True
        rest += 2 * a + 1
        a += 1
    return False


def _any_public(pem: str) -> PublicKey:
    if "PRIVATE KEY-----" in pem:
        return loading.load_private(pem).public_key()
    if "-----BEGIN CERTIFICATE-----" in pem:
        return loading.public_key_of(loading.load_certificate(pem))
    if "CERTIFICATE REQUEST-----" in pem:
        return loading.public_key_of(loading.load_request(pem.encode("ascii", "replace")))
    return loading.load_public(pem)


def _private_pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def _lengths() -> str:
    return "Choose one of " + ", ".join(KEY_LABELS.values()) + "."
