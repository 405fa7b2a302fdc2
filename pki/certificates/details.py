"""The certificate details of View Certificate.

See: manual 1.2.2, 1.3.1
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from faults.texts import gettext as _
from pki.certificates import build, constraints, loading, signatures
from pki.errors import BadBundle, BadCertificate, PkiFault
from pki.escaping import escape_text
from pki.formats import bundles
from pki.keys import KEY_LABELS
from pki.names import format_name


@dataclass(frozen=True)
class CertificateDetails:
    """The fields of a certificate for display. Texts are escaped.

    `digest` identifies the certificate: SHA-256 of its DER in lower-case hex.
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
    permitted: tuple[str, ...] = ()
    """The permitted names of the name constraints, for example "DNS corp.example"."""
    excluded: tuple[str, ...] = ()


def get_details(pem: str) -> CertificateDetails:
    """Return the details of the first certificate of a PEM text, or raise BadCertificate."""
    certificate = loading.load_certificate(pem)
    try:
        return _build_details(certificate, _get_der(pem))
    except PkiFault:
        raise
    except Exception as error:
        raise BadCertificate(_("The certificate cannot be parsed completely.")) from error


def get_names(pem: str) -> tuple[str, ...]:
    """Return the DNS names and IP addresses in the first certificate of a PEM text.

    Faster than all details. Raises BadCertificate.
    """
    certificate = loading.load_certificate(pem)
    found = loading.get_extension(certificate, x509.SubjectAlternativeName)
    if not isinstance(found, x509.SubjectAlternativeName):
        return ()
    names = build.parse_alternative_names(found)
    return (*names.dns, *names.addresses)


def get_digest(pem: str) -> str:
    """Return the SHA-256 of the DER of a certificate in lower-case hex."""
    return hashlib.sha256(_get_der(pem)).hexdigest()


def _build_details(certificate: x509.Certificate, der: bytes) -> CertificateDetails:
    length, label = _get_key(certificate)
    basic = loading.get_extension(certificate, x509.BasicConstraints)
    limits = constraints.get_extension(certificate)
    found = loading.get_extension(certificate, x509.SubjectAlternativeName)
    names = (
        build.parse_alternative_names(found)
        if isinstance(found, x509.SubjectAlternativeName)
        else None
    )
    sha256 = hashlib.sha256(der).digest()
    return CertificateDetails(
        subject=escape_text(format_name(certificate.subject)),
        issuer=escape_text(format_name(certificate.issuer)),
        common_name=_get_common_name(certificate.subject),
        issuer_common_name=_get_common_name(certificate.issuer),
        serial_hex=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_length=length,
        key_label=label,
        md5=_format_fingerprint(hashlib.md5(der, usedforsecurity=False).digest()),
        sha1=_format_fingerprint(hashlib.sha1(der, usedforsecurity=False).digest()),
        sha256=_format_fingerprint(sha256),
        digest=sha256.hex(),
        self_signed=signatures.is_self_signed(certificate),
        is_ca=isinstance(basic, x509.BasicConstraints) and basic.ca,
        dns_names=tuple(escape_text(name, 255) for name in names.dns) if names else (),
        addresses=names.addresses if names else (),
        signature_algorithm=_get_signature_algorithm(certificate),
        permitted=constraints.describe(limits.permitted_subtrees if limits else None),
        excluded=constraints.describe(limits.excluded_subtrees if limits else None),
    )


def _get_der(pem: str) -> bytes:
    try:
        return bundles.to_der(pem)
    except BadBundle as fault:
        raise BadCertificate(_("The certificate cannot be parsed.")) from fault


def _get_key(certificate: x509.Certificate) -> tuple[int, str]:
    try:
        key = loading.get_public_key(certificate)
    except PkiFault:
        return 0, "unknown"
    kind = "RSA" if loading.is_rsa(key) else "EC"
    return key.key_size, KEY_LABELS.get(key.key_size, f"{kind} {key.key_size}")


def _get_common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return escape_text(str(found[-1].value)) if found else ""


def _get_signature_algorithm(certificate: x509.Certificate) -> str:
    oid = certificate.signature_algorithm_oid
    known: str = oid._name  # noqa: SLF001 - the library has no public way to its name
    return known if known != "Unknown OID" else oid.dotted_string


def _format_fingerprint(raw: bytes) -> str:
    return raw.hex(":").upper()
