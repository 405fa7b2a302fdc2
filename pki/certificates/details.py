"""What View Certificate shows (manual, 1.2.2 and 1.3.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from pki.certificates import build, loading
from pki.errors import BadBundle, BadCertificate, PkiFault
from pki.formats import bundles
from pki.keys import KEY_LABELS
from pki.names import shown, subject_of


@dataclass(frozen=True)
class CertificateDetails:
    """A certificate in words. Texts from it are escaped; fingerprints are for display.

    `digest` alone identifies a certificate: SHA-256 of its DER in lower-case hex.
    """

    subject: str
    issuer: str
    common_name: str
    issuer_common_name: str
    serial_hex: str
    not_before: datetime
    not_after: datetime
    key_length: int
    key_label: str
    md5: str
    sha1: str
    sha256: str
    digest: str
    self_signed: bool
    is_ca: bool
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    signature_algorithm: str


def describe(pem: str) -> CertificateDetails:
    """Describe the first certificate of a PEM text, or raise BadCertificate."""
    certificate = loading.load_certificate(pem)
    try:
        return _describe(certificate, _der(pem))
    except PkiFault:
        raise
    except Exception as error:
        raise BadCertificate("The certificate cannot be read to the end.") from error


def digest(pem: str) -> str:
    """Return the SHA-256 of the DER of a certificate in lower-case hex."""
    return hashlib.sha256(_der(pem)).hexdigest()


def _describe(certificate: x509.Certificate, der: bytes) -> CertificateDetails:
    length, label = _key(certificate)
    constraints = loading.extension(certificate, x509.BasicConstraints)
    found = loading.extension(certificate, x509.SubjectAlternativeName)
    names = build.names_of(found) if isinstance(found, x509.SubjectAlternativeName) else None
    sha256 = hashlib.sha256(der).digest()
    return CertificateDetails(
        subject=shown(subject_of(certificate.subject)),
        issuer=shown(subject_of(certificate.issuer)),
        common_name=_common_name(certificate.subject),
        issuer_common_name=_common_name(certificate.issuer),
        serial_hex=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_length=length,
        key_label=label,
        md5=_colons(hashlib.md5(der, usedforsecurity=False).digest()),
        sha1=_colons(hashlib.sha1(der, usedforsecurity=False).digest()),
        sha256=_colons(sha256),
        digest=sha256.hex(),
        self_signed=loading.is_self_signed(certificate),
        is_ca=isinstance(constraints, x509.BasicConstraints) and constraints.ca,
        dns_names=tuple(shown(name, 255) for name in names.dns) if names else (),
        addresses=names.addresses if names else (),
        signature_algorithm=_signature_algorithm(certificate),
    )


def _der(pem: str) -> bytes:
    try:
        return bundles.to_der(pem)
    except BadBundle as fault:
        raise BadCertificate("The certificate cannot be read.") from fault


def _key(certificate: x509.Certificate) -> tuple[int, str]:
    try:
        key = loading.public_key_of(certificate)
    except PkiFault:
        return 0, "unknown"
    kind = "RSA" if loading.is_rsa(key) else "EC"
    return key.key_size, KEY_LABELS.get(key.key_size, f"{kind} {key.key_size}")


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return shown(str(found[-1].value)) if found else ""


def _signature_algorithm(certificate: x509.Certificate) -> str:
    oid = certificate.signature_algorithm_oid
    known: str = oid._name  # noqa: SLF001 - the library has no public way to its name
    return known if known != "Unknown OID" else oid.dotted_string


def _colons(raw: bytes) -> str:
    return raw.hex(":").upper()
