"""Turn PEM text into objects of `cryptography` and back; only `pki` uses this module.

`cryptography` may raise almost anything at hostile input, so the catch is broad at this border.
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

from pki.errors import BadCertificate, BadRequest, PkiFault, WeakKey, WrongKey

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

MAX_CERTIFICATE = 256 * 1024  # characters of PEM
MAX_RSA = 8192  # a longer modulus only keeps the processor busy

_HASHES = frozenset((hashes.SHA256, hashes.SHA384, hashes.SHA512))
_CERTIFICATES = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# What the library is about to refuse is refused now, always, and not only where
# warnings happen to be errors.
warnings.filterwarnings("error", category=CryptographyDeprecationWarning)


def armour(der: bytes, label: str = "CERTIFICATE") -> str:
    """Return DER as PEM text (RFC 7468), byte for byte what was given."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def split(pem_text: str) -> list[str]:
    """Return each certificate of a PEM text as PEM of its own, in the order of the text."""
    found = _CERTIFICATES.findall(pem_text.replace("\r\n", "\n"))
    return [pem + "\n" for pem in found]


def load_certificate(pem: str) -> x509.Certificate:
    """Return the first certificate of a PEM text, or raise BadCertificate."""
    if len(pem) > MAX_CERTIFICATE:
        raise BadCertificate("The certificate is too large.")
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except Exception as error:
        raise BadCertificate("The certificate cannot be read.") from error


def load_request(data: bytes) -> x509.CertificateSigningRequest:
    """Return a certification request from PEM or DER, or raise BadRequest."""
    is_pem = b"-----BEGIN" in data
    load = x509.load_pem_x509_csr if is_pem else x509.load_der_x509_csr
    try:
        return load(data)
    except Exception as error:
        raise BadRequest("The CSR cannot be read.") from error


def load_private(pem: str | PrivateKey, *, is_known: bool = False) -> PrivateKey:
    """Return an RSA or EC private key from unencrypted PEM, or raise WrongKey.

    A key that is an object already is one inside a token.

    `is_known`: the key was checked when it was made or came in. To do so again takes a third of
    a second for RSA-4096.
    """
    if not isinstance(pem, str):
        return pem
    try:
        key = serialization.load_pem_private_key(
            pem.encode("ascii"), password=None, unsafe_skip_rsa_key_validation=is_known
        )
    except Exception:  # without the cause, whose text could show key material
        raise WrongKey("The private key cannot be read.") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise WeakKey("The private key is neither an RSA nor an EC key.")
    return key


def load_public(pem: str) -> PublicKey:
    """Return an RSA or EC public key from SubjectPublicKeyInfo PEM, or raise WrongKey."""
    try:
        key = serialization.load_pem_public_key(pem.encode("ascii"))
    except Exception as error:
        raise WrongKey("The public key cannot be read.") from error
    return _rsa_or_ec(key)


def public_key_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    """Return the RSA or EC key that a certificate or request is about, or raise WeakKey."""
    try:
        key = certificate.public_key()
    except Exception as error:
        raise WeakKey("The key of the certificate or request is of no known kind.") from error
    return _rsa_or_ec(key)


def _rsa_or_ec(key: object) -> PublicKey:
    if is_rsa(key) or is_ec(key):
        return key
    raise WeakKey("The key is neither an RSA nor an EC key.")


@functools.cache
def _is_kind(concrete: type, kind: type) -> bool:
    """Ask the abstract classes of the library once for each class: a batch feels it."""
    return issubclass(concrete, kind)


def public_pem(key: PublicKey) -> str:
    """Return a public key as SubjectPublicKeyInfo PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")


def extension(
    thing: x509.Certificate | x509.CertificateSigningRequest, kind: type[x509.ExtensionType]
) -> x509.ExtensionType | None:
    """Return the value of one extension, None where it is absent; unreadable ones are a fault."""
    try:
        return thing.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except Exception as error:
        raise PkiFault("The extensions of the certificate or request cannot be read.") from error


@functools.lru_cache(maxsize=4096)
def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer's key signed the certificate, under the issuer's name.

    Remembered, so that a set of certificates that all look alike costs each pair once.
    """
    try:
        key = issuer.public_key()
        if is_rsa(key) and key.key_size > MAX_RSA:
            return False
        certificate.verify_directly_issued_by(issuer)
    except Exception:
        return False
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate is signed by its own key, under its own name."""
    return is_signed_by(certificate, certificate)


def is_strong(algorithm: hashes.HashAlgorithm | None) -> bool:
    """Tell whether a signature with this hash counts: SHA-256, SHA-384 or SHA-512."""
    return type(algorithm) in _HASHES


def is_rsa(key: object) -> TypeGuard[rsa.RSAPublicKey]:
    """Tell whether something is a public RSA key."""
    return _is_kind(type(key).__mro__[0], rsa.RSAPublicKey)


def is_ec(key: object) -> TypeGuard[ec.EllipticCurvePublicKey]:
    """Tell whether something is a public EC key."""
    return _is_kind(type(key).__mro__[0], ec.EllipticCurvePublicKey)


def may_sign_certificates(certificate: x509.Certificate) -> bool:
    """Tell whether basic constraints and key usage are those of a CA."""
    constraints = extension(certificate, x509.BasicConstraints)
    usage = extension(certificate, x509.KeyUsage)
    is_ca = isinstance(constraints, x509.BasicConstraints) and constraints.ca
    return is_ca and (not isinstance(usage, x509.KeyUsage) or usage.key_cert_sign)


def has_subject_of(certificate: x509.Certificate, other: x509.Certificate) -> bool:
    """Tell whether both have the same subject, byte for byte.

    The library encodes a name anew; only where that gives the original bytes do chains hold.
    """
    encoded = certificate.subject.public_bytes()
    return encoded in certificate.tbs_certificate_bytes and encoded in other.tbs_certificate_bytes


def key_works(key: PrivateKey) -> bool:
    """Tell whether the public part of a key verifies what its private part signs."""
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
