"""Convert PEM text to objects of `cryptography` and back. For use inside `pki` only.

`cryptography` can raise almost any exception for hostile input, so all of them are caught here.
"""

from __future__ import annotations

import base64
import functools
import re
import secrets
import warnings
from typing import TypeGuard

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.utils import CryptographyDeprecationWarning

from faults.texts import gettext as _
from pki.errors import BadCertificate, BadRequest, PkiFault, WeakKey, WrongKey

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

MAX_CERTIFICATE = 256 * 1024  # characters of PEM

_HASHES = frozenset((hashes.SHA256, hashes.SHA384, hashes.SHA512))
_CERTIFICATES = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# Reject what the library will reject in its next version, regardless of the warning filters. Old
# roots with serial number 0 are in use, so they are accepted. Negative ones are rejected at import.
warnings.filterwarnings("error", category=CryptographyDeprecationWarning)
warnings.filterwarnings("ignore", message="Parsed a serial number which wasn't positive")


def encode_pem(der: bytes, label: str = "CERTIFICATE") -> str:
    """Return DER as PEM text without reencoding it (RFC 7468)."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def split(pem_text: str) -> list[str]:
    """Return the certificates of a PEM text as separate PEM texts, in their order."""
    found = _CERTIFICATES.findall(pem_text.replace("\r\n", "\n"))
    return [pem + "\n" for pem in found]


def load_certificate(pem: str) -> x509.Certificate:
    """Return the first certificate of a PEM text, or raise BadCertificate."""
    if len(pem) > MAX_CERTIFICATE:
        raise BadCertificate(_("The certificate is too large."))
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except Exception as error:
        raise BadCertificate(_("The certificate cannot be parsed.")) from error


def load_pair(pem: str, key_pem: str | PrivateKey) -> tuple[x509.Certificate, PrivateKey]:
    """Return a certificate and its private key, or raise WrongKey."""
    certificate, key = load_certificate(pem), load_private_key(key_pem)
    if get_public_key(certificate) != key.public_key():
        raise WrongKey(_("The private key does not match the CA certificate."))
    return certificate, key


def load_request(data: bytes) -> x509.CertificateSigningRequest:
    """Return a CSR from PEM or DER, or raise BadRequest."""
    is_pem = b"-----BEGIN" in data
    load = x509.load_pem_x509_csr if is_pem else x509.load_der_x509_csr
    try:
        return load(data)
    except Exception as error:
        raise BadRequest(_("The CSR cannot be parsed.")) from error


def load_private_key(pem: str | PrivateKey, *, is_known: bool = False) -> PrivateKey:
    """Return an RSA or EC private key from unencrypted PEM, or raise WrongKey or WeakKey.

    A key object, which belongs to a PKCS #11 token, is returned unchanged. `is_known` skips the
    validation of a key that was validated before (0.3 s for RSA-4096).
    """
    if not isinstance(pem, str):
        return pem
    try:
        key = serialization.load_pem_private_key(
            pem.encode("ascii"), password=None, unsafe_skip_rsa_key_validation=is_known
        )
    except Exception:  # the text of the cause could contain key material
        raise WrongKey(_("The private key cannot be parsed.")) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise WeakKey(_("The private key must be an RSA or EC key."))
    return key


def load_public_key(pem: str) -> PublicKey:
    """Return an RSA or EC public key from SubjectPublicKeyInfo PEM, or raise WrongKey."""
    try:
        key = serialization.load_pem_public_key(pem.encode("ascii"))
    except Exception as error:
        raise WrongKey(_("The public key cannot be parsed.")) from error
    return _check_key_type(key)


def get_public_key(certificate: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    """Return the RSA or EC key of a certificate or CSR, or raise WeakKey."""
    try:
        key = certificate.public_key()
    except Exception as error:
        raise WeakKey(_("The key type of the certificate or CSR is not supported.")) from error
    return _check_key_type(key)


def _check_key_type(key: object) -> PublicKey:
    if is_rsa(key) or is_ec(key):
        return key
    raise WeakKey(_("The key must be an RSA or EC key."))


@functools.cache
def _is_kind(concrete: type, kind: type) -> bool:
    """Return True for an instance check of the library's abstract classes, cached for speed."""
    return issubclass(concrete, kind)


def serialize_public_key(key: PublicKey) -> str:
    """Return a public key as SubjectPublicKeyInfo PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")


def get_extension(
    thing: x509.Certificate | x509.CertificateSigningRequest, kind: type[x509.ExtensionType]
) -> x509.ExtensionType | None:
    """Return the value of an extension or None, or raise BadCertificate if it cannot be parsed."""
    try:
        return thing.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except Exception as error:
        raise PkiFault(_("The extensions of the certificate or CSR cannot be parsed.")) from error


def is_strong_hash(algorithm: hashes.HashAlgorithm | None) -> bool:
    """Return True for a hash that is accepted in signatures: SHA-256, SHA-384, or SHA-512."""
    return type(algorithm) in _HASHES


def is_rsa(key: object) -> TypeGuard[rsa.RSAPublicKey]:
    """Return True for a public RSA key."""
    return _is_kind(type(key).__mro__[0], rsa.RSAPublicKey)


def is_ec(key: object) -> TypeGuard[ec.EllipticCurvePublicKey]:
    """Return True for a public EC key."""
    return _is_kind(type(key).__mro__[0], ec.EllipticCurvePublicKey)


def is_ca(certificate: x509.Certificate) -> bool:
    """Return True if basic constraints and key usage allow signing certificates."""
    constraints = get_extension(certificate, x509.BasicConstraints)
    usage = get_extension(certificate, x509.KeyUsage)
    is_ca = isinstance(constraints, x509.BasicConstraints) and constraints.ca
    return is_ca and (not isinstance(usage, x509.KeyUsage) or usage.key_cert_sign)


def has_same_subject(certificate: x509.Certificate, other: x509.Certificate) -> bool:
    """Return True if both have the same subject, byte for byte.

    The library encodes a name again. Chains are valid only if that yields the original bytes.
    """
    encoded = certificate.subject.public_bytes()
    return encoded in certificate.tbs_certificate_bytes and encoded in other.tbs_certificate_bytes


def is_key_usable(key: PrivateKey) -> bool:
    """Return True if a test signature of the private key verifies with its public key."""
    nonce = secrets.token_bytes(32)
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            signature = key.sign(nonce, padding.PKCS1v15(), hashes.SHA256())
            key.public_key().verify(signature, nonce, padding.PKCS1v15(), hashes.SHA256())
        else:
            algorithm = ec.ECDSA(hashes.SHA256())
            key.public_key().verify(key.sign(nonce, algorithm), nonce, algorithm)
    except (InvalidSignature, ValueError):
        return False
    return True
