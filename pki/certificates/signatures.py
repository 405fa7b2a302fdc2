"""Who signed a certificate, for loaded certificates. For use inside `pki` only.

Names are compared as OpenSSL does: without regard to case, string type, and repeated spaces.

See: RFC 5280 7.1; X509_NAME_cmp(3)
"""

from __future__ import annotations

import functools
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from pki.certificates import loading
from pki.errors import PkiFault

MAX_RSA = 8192  # a longer modulus only keeps the processor busy

ComparableName = tuple[frozenset[tuple[str, object]], ...]


def normalize_name(name: x509.Name) -> ComparableName:
    """Return a name in a form that is equal for names that OpenSSL considers equal."""
    return tuple(
        frozenset((found.oid.dotted_string, _normalize(found.value)) for found in part)
        for part in name.rdns
    )


@functools.lru_cache(maxsize=4096)
def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return True if the certificate is signed with the issuer's key and has the issuer's name.

    Remembered, so that a set of certificates that all look alike costs each pair once.
    """
    return _has_issuer(certificate, issuer) and _verify(certificate, issuer) is True


@functools.lru_cache(maxsize=1024)
def is_self_signed(certificate: x509.Certificate) -> bool:
    """Return True if the certificate is signed by its own key, under its own name.

    Nothing depends on the signature of a root. If its algorithm is too old to be verified, the key
    identifiers decide.
    """
    if not _has_issuer(certificate, certificate):
        return False
    verified = _verify(certificate, certificate)
    return _has_own_key_identifier(certificate) if verified is None else verified


def _has_issuer(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        return normalize_name(certificate.issuer) == normalize_name(issuer.subject)
    except Exception:  # the library raises many types of errors for malformed names
        return False


def _verify(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Return True if the signature verifies, or None if its algorithm is not supported."""
    try:
        key = issuer.public_key()
        parameters: Any = certificate.signature_algorithm_parameters
        signed = certificate.signature, certificate.tbs_certificate_bytes
        if loading.is_rsa(key):
            if key.key_size > MAX_RSA:
                return False
            algorithm: Any = certificate.signature_hash_algorithm
            key.verify(*signed, parameters, algorithm)
        elif loading.is_ec(key):
            key.verify(*signed, parameters)
        else:
            certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError):
        return False
    except Exception:  # an unsupported algorithm
        return None
    return True


def _has_own_key_identifier(certificate: x509.Certificate) -> bool:
    try:
        own = loading.get_extension(certificate, x509.SubjectKeyIdentifier)
        issuer = loading.get_extension(certificate, x509.AuthorityKeyIdentifier)
    except PkiFault:
        return False
    if not isinstance(own, x509.SubjectKeyIdentifier):
        return issuer is None
    return (
        not isinstance(issuer, x509.AuthorityKeyIdentifier) or issuer.key_identifier == own.digest
    )


def _normalize(value: str | bytes) -> object:
    if isinstance(value, bytes):
        return value
    ascii_lower = "".join(char.lower() if char.isascii() else char for char in value)
    return " ".join(part for part in ascii_lower.split(" ") if part)
