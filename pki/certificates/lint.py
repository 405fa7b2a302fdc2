"""Lint certificates against the profile of the zone.

The profile is RFC 5280 restricted by docs/decisions.md D-7 to D-12. Each rule yields one
sentence per violation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from faults.texts import gettext as _
from pki import keys, names
from pki.certificates import build, constraints, loading, signatures
from pki.certificates.loading import PublicKey
from pki.errors import BadName, NotIssued, PkiFault

Kind = Literal["root", "cross-certificate", "server"]

MIN_SERIAL_BITS = 64
MAX_SERIAL_BITS = 159  # 20 octets with the sign bit clear: RFC 5280, 4.1.2.2

_ALLOWED = {
    "root": {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.NAME_CONSTRAINTS,
    },
}
_ALLOWED["cross-certificate"] = _ALLOWED["root"]
_ALLOWED["server"] = _ALLOWED["root"] - {ExtensionOID.NAME_CONSTRAINTS} | {
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
}
_CONSTRAINTS = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.NAME_CONSTRAINTS}
_CRITICAL = _CONSTRAINTS | {ExtensionOID.KEY_USAGE}

Extensions = dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]


@dataclass(frozen=True)
class IssuerFacts:
    """The fields of the issuer that its certificates are checked against, read once a batch."""

    name: x509.Name
    key_id: bytes
    not_before: datetime
    not_after: datetime
    path_length: int | None
    rules: constraints.Rules | None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> IssuerFacts:
        """Return the facts of an issuer certificate."""
        found = loading.get_extension(certificate, x509.BasicConstraints)
        limits = constraints.get_extension(certificate)
        return cls(
            name=certificate.subject,
            key_id=build.get_key_identifier(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            path_length=found.path_length if isinstance(found, x509.BasicConstraints) else None,
            rules=None if limits is None else constraints.Rules.of(limits),
        )


class ParsedCertificate(NamedTuple):
    """A certificate with its extensions, common names, and key, each parsed once.

    `key` is None and `fault` explains why if the key policy does not allow the key.
    """

    certificate: x509.Certificate
    extensions: Extensions
    common_names: list[str]
    key: PublicKey | None
    fault: str = ""

    @classmethod
    def of(cls, certificate: x509.Certificate) -> ParsedCertificate:
        """Return the parsed certificate. Malformed extensions raise ValueError or another error."""
        extensions = {found.oid: found for found in certificate.extensions}
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        common_names = [str(attribute.value) for attribute in found]
        try:
            key = loading.get_public_key(certificate)
            keys.check_key(key)
        except PkiFault as fault:
            return cls(certificate, extensions, common_names, None, fault.explanation)
        return cls(certificate, extensions, common_names, key)


def lint_certificate(pem: str, *, kind: Kind, issuer_pem: str | None) -> list[str]:
    """Return the violations of the profile, one sentence each.

    Without `issuer_pem`, the issuer and the signature are not checked.
    """
    certificate = loading.load_certificate(pem)
    issuer = loading.load_certificate(issuer_pem) if issuer_pem else None
    facts = IssuerFacts.of(issuer) if issuer else None
    try:
        found = list_findings(ParsedCertificate.of(certificate), kind=kind, issuer=facts)
    except Exception:  # the library raises many types of errors for malformed extensions
        return ["The certificate cannot be parsed completely."]
    if issuer is not None and not signatures.is_signed_by(certificate, issuer):
        found.append("The signature does not verify with the issuer's key.")
    return found


def check_findings(found: list[str]) -> None:
    """Raise NotIssued if there are findings."""
    if found:
        explanation = _("The certificate would violate the certificate profile: %s")
        raise NotIssued(explanation % " ".join(found))


def list_findings(
    reading: ParsedCertificate, *, kind: Kind, issuer: IssuerFacts | None
) -> list[str]:
    """Return the violations of a parsed certificate, without checking its signature."""
    certificate, extensions = reading.certificate, reading.extensions
    rules: list[Iterable[str]] = [
        _lint_base_fields(reading),
        _lint_extensions(extensions, kind),
        _lint_key_identifiers(extensions, issuer),
    ]
    if kind == "server":
        rules.append(_lint_server(reading))
        rules.append(_lint_permitted_names(extensions, issuer))
    else:
        rules.append(_lint_ca(extensions))
    if kind == "root":
        rules.append(_lint_root(certificate, extensions))
    if issuer is not None:
        rules.append(_lint_issuer(certificate, kind, issuer))
    return [sentence for rule in rules for sentence in rule]


def _lint_base_fields(reading: ParsedCertificate) -> Iterator[str]:
    certificate = reading.certificate
    if certificate.version is not x509.Version.v3:
        yield "The version is not 3."
    serial = certificate.serial_number
    if serial <= 0 or not MIN_SERIAL_BITS <= serial.bit_length() <= MAX_SERIAL_BITS:
        yield f"The serial number must have {MIN_SERIAL_BITS} to {MAX_SERIAL_BITS} bits."
    if not loading.is_strong_hash(certificate.signature_hash_algorithm):
        yield "The certificate is not signed with SHA-256, SHA-384, or SHA-512."
    if certificate.not_valid_before_utc >= certificate.not_valid_after_utc:
        yield "The end of the validity period is before its start."
    if reading.key is None:
        yield reading.fault
    stated = reading.common_names
    if len(stated) != 1 or not 0 < len(stated[0]) <= names.MAX_TEXT:
        yield (
            f"The subject must have exactly one common name of 1 to {names.MAX_TEXT} characters."
        )


def _lint_extensions(extensions: Extensions, kind: Kind) -> Iterator[str]:
    for oid, found in extensions.items():
        if oid not in _ALLOWED[kind]:
            yield f"The extension {oid.dotted_string} is not allowed."
        if found.critical != (oid in _CRITICAL):
            yield f"The criticality of the extension {oid.dotted_string} is incorrect."
    if ExtensionOID.SUBJECT_KEY_IDENTIFIER not in extensions:
        yield "The subject key identifier is missing."
    if ExtensionOID.AUTHORITY_KEY_IDENTIFIER not in extensions and kind != "root":
        yield "The authority key identifier is missing."


def _lint_key_identifiers(extensions: Extensions, issuer: IssuerFacts | None) -> Iterator[str]:
    found = extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    if found is None or not isinstance(found.value, x509.AuthorityKeyIdentifier):
        return
    identifier = found.value
    if identifier.authority_cert_issuer or identifier.authority_cert_serial_number:
        yield (
            "The authority key identifier contains an issuer and serial "
            "number. Only a key identifier is allowed."
        )
    if identifier.key_identifier is None:
        yield "The authority key identifier does not contain a key identifier."
    elif issuer is not None and identifier.key_identifier != issuer.key_id:
        yield "The authority key identifier does not match the issuer."


def _lint_ca(extensions: Extensions) -> Iterator[str]:
    if _get_value(extensions, ExtensionOID.BASIC_CONSTRAINTS) != build.AUTHORITY:
        yield "The basic constraints must be CA:TRUE without a path length."
    if _get_value(extensions, ExtensionOID.KEY_USAGE) != build.SIGNS_CERTIFICATES:
        yield "The key usage must be keyCertSign and cRLSign."


def _lint_root(certificate: x509.Certificate, extensions: Extensions) -> Iterator[str]:
    if certificate.issuer != certificate.subject:
        yield "The issuer and subject of the root do not match."
    own = _get_value(extensions, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    stated = _get_value(extensions, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    if (
        isinstance(own, x509.SubjectKeyIdentifier)
        and isinstance(stated, x509.AuthorityKeyIdentifier)
        and own.digest != stated.key_identifier
    ):
        yield (
            "The authority key identifier of the root does not match its subject key identifier."
        )
    yield from constraints.lint_extension(_get_value(extensions, ExtensionOID.NAME_CONSTRAINTS))


def _lint_server(reading: ParsedCertificate) -> Iterator[str]:
    extensions = reading.extensions
    if _get_value(extensions, ExtensionOID.BASIC_CONSTRAINTS) != build.END_ENTITY:
        yield "The basic constraints must be CA:FALSE."
    if _get_value(extensions, ExtensionOID.EXTENDED_KEY_USAGE) != build.SERVER_AUTH:
        yield "The extended key usage must be serverAuth only."
    usage = _get_value(extensions, ExtensionOID.KEY_USAGE)
    if reading.key is not None and usage != build.get_server_key_usage(reading.key):
        yield ("The key usage is not valid for a server certificate with this key type.")
    alternatives = _get_value(extensions, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if isinstance(alternatives, x509.SubjectAlternativeName):
        yield from _lint_names(reading.common_names, alternatives)
    else:
        yield "The subject alternative name is missing."
    points = _get_value(extensions, ExtensionOID.CRL_DISTRIBUTION_POINTS)
    if isinstance(points, x509.CRLDistributionPoints):
        yield from _lint_distribution_points(points)
    access = _get_value(extensions, ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
    if isinstance(access, x509.AuthorityInformationAccess):
        yield from _lint_information_access(access)


def _lint_information_access(access: x509.AuthorityInformationAccess) -> Iterator[str]:
    url = next((str(one.access_location.value) for one in access), "")
    if access != build.build_information_access(url) or not url.startswith("http://"):
        yield "The authority information access must be one OCSP address that starts with http://."


def _lint_permitted_names(extensions: Extensions, issuer: IssuerFacts | None) -> Iterator[str]:
    found = _get_value(extensions, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if issuer is None or issuer.rules is None:
        return
    if isinstance(found, x509.SubjectAlternativeName):
        for name in issuer.rules.find_outside(build.parse_alternative_names(found)):
            yield f"The name constraints of the issuer do not permit {name}."


def _lint_distribution_points(points: x509.CRLDistributionPoints) -> Iterator[str]:
    stated = [name for point in points for name in point.full_name or []]
    url = str(stated[0].value) if stated else ""
    if points != build.build_distribution_point(url) or not url.startswith("http://"):
        yield "The CRL distribution point must be one address that starts with http://."


def _lint_names(
    common_names: list[str], alternatives: x509.SubjectAlternativeName
) -> Iterator[str]:
    stated = list(alternatives)
    offered = build.parse_alternative_names(stated)
    if len(offered.dns) + len(offered.addresses) != len(stated):
        yield (
            "The subject alternative name contains entries that are neither "
            "DNS names nor IP addresses."
        )
    if not offered.dns and not offered.addresses:
        yield "The subject alternative name is missing."
    try:
        if names.check_names(offered, wildcard=True) != offered:
            yield ("The subject alternative names are not normalized or contain duplicates.")
    except BadName as fault:
        yield fault.explanation
    for common_name in common_names:
        if common_name not in (*offered.dns, *offered.addresses):
            yield "The common name is not one of the alternative names."


def _lint_issuer(certificate: x509.Certificate, kind: Kind, issuer: IssuerFacts) -> Iterator[str]:
    if certificate.issuer != issuer.name:
        yield ("The issuer name does not match the subject of the issuing certificate.")
    if certificate.not_valid_after_utc > issuer.not_after:
        yield "The certificate expires after its issuer."
    if certificate.not_valid_before_utc < issuer.not_before:
        yield "The certificate's validity starts before that of its issuer."
    if kind == "cross-certificate" and issuer.path_length == 0:
        yield ("The path length constraint of the issuer does not allow this certificate.")


def _get_value(extensions: Extensions, oid: x509.ObjectIdentifier) -> x509.ExtensionType | None:
    found = extensions.get(oid)
    return found.value if found else None
