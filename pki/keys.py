"""Private and public keys, and the key policy (docs/decisions.md D-9)."""

from __future__ import annotations

import functools
import math

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from faults.texts import gettext as _
from pki.certificates import loading
from pki.certificates.loading import PrivateKey, PublicKey
from pki.errors import WeakKey, WrongKey

# PEM text, or a key in a PKCS #11 token.
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


def generate_key(length: int) -> str:
    """Return a new private key as unencrypted PKCS #8 PEM. `length` is one of KEY_LENGTHS."""
    if length not in KEY_LENGTHS:
        raise WeakKey(
            _("A %(length)s-bit key cannot be generated.") % {"length": length},
            action=_describe_lengths(),
        )
    if length in _CURVES:
        return _serialize_private_key(ec.generate_private_key(_CURVES[length]))
    return _serialize_private_key(rsa.generate_private_key(_EXPONENT, length))


def parse_key(data: bytes) -> str:
    """Return the private key of a `key.der` file as PKCS #8 PEM.

    Accepts unencrypted PKCS #8, PKCS #1, and SEC 1 in DER or PEM. Raises WrongKey or WeakKey.

    See: manual 1.3.2
    """
    if len(data) > _MAX_FILE:
        raise WrongKey(_("The key file is too large."))
    is_pem = b"-----BEGIN" in data
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        key = load(data, password=None)
    except TypeError:
        raise WrongKey(
            _("The key file is encrypted."), action=_("Store the key unencrypted, with mode 0600.")
        ) from None
    except Exception:  # without the cause, whose text could show key material
        raise WrongKey(
            _("The key file does not contain a valid private key."),
            action=(_("Provide an unencrypted PKCS #8 or PKCS #1 key in DER or PEM format.")),
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise WeakKey(_("The key must be an RSA or EC key."))
    check_key(key.public_key())
    return _serialize_private_key(key)


def get_public_key(key_pem: str) -> str:
    """Return the public key of a private key as SubjectPublicKeyInfo PEM."""
    return loading.serialize_public_key(loading.load_private_key(key_pem).public_key())


def is_same_key(key_pem: str, other_pem: str) -> bool:
    """Return True if a private key matches a certificate, CSR, or public key (all PEM)."""
    return loading.load_private_key(key_pem).public_key() == _load_any_public_key(other_pem)


def check_key(key: PublicKey) -> None:
    """Raise WeakKey if the key policy does not allow a loaded key (docs/decisions.md D-9)."""
    if loading.is_rsa(key):
        _check_rsa(key)
    if loading.is_ec(key) and key.curve.name not in _CURVE_NAMES:
        raise WeakKey(
            _("EC keys on the curve %(name)s are not supported.") % {"name": key.curve.name}
        )


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    if key.key_size not in KEY_LENGTHS:
        raise WeakKey(
            _("%(key_size)s-bit RSA keys are not supported.") % {"key_size": key.key_size}
        )
    numbers = key.public_numbers()
    if numbers.e < _EXPONENT or numbers.e % 2 == 0:
        raise WeakKey(_("The public exponent of the RSA key is too small or even."))
    if numbers.n % 2 == 0 or _has_close_primes(numbers.n):
        raise WeakKey(
            _(
                "The RSA key is insecure because its primes can be factored easily. "
                "Generate a new key."
            )
        )


@functools.lru_cache(maxsize=64)
def _has_close_primes(modulus: int) -> bool:
    """Return True if Fermat's method factors the modulus within 100 rounds."""
    a = math.isqrt(modulus)
    rest = a * a - modulus
    for _round in range(_FERMAT_ROUNDS + 1):
        # Few remainders modulo 64 belong to squares, so most rounds can skip the square root.
        may_be_square = rest >= 0 and _SQUARES_MOD_64 >> (rest & 63) & 1
        if may_be_square and math.isqrt(rest) ** 2 == rest:
            return True
        rest += 2 * a + 1
        a += 1
    return False


def _load_any_public_key(pem: str) -> PublicKey:
    if "PRIVATE KEY-----" in pem:
        return loading.load_private_key(pem).public_key()
    if "-----BEGIN CERTIFICATE-----" in pem:
        return loading.get_public_key(loading.load_certificate(pem))
    if "CERTIFICATE REQUEST-----" in pem:
        return loading.get_public_key(loading.load_request(pem.encode("ascii", "replace")))
    return loading.load_public_key(pem)


def _serialize_private_key(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def _describe_lengths() -> str:
    return _("Use one of: %s.") % ", ".join(KEY_LABELS.values())
