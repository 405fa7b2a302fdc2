"""Own rules for certificates: what the profile demands and linters do not see.

The profile is RFC 5280 narrowed by docs/decisions.md D-7 to D-12. A rule yields a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from pki import keys, names
from pki.certificates import build, loading
from pki.certificates.loading import PublicKey
from pki.errors import BadName, PkiFault

Kind = Literal["root", "bridge", "server"]

MIN_SERIAL_BITS = 64
MAX_SERIAL_BITS = 159  # 20 octets with the sign bit clear: RFC 5280, 4.1.2.2

_ALLOWED = {
    "root": {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    },
}
_ALLOWED["bridge"] = _ALLOWED["root"]
_ALLOWED["server"] = _ALLOWED["root"] | {
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
}
_CRITICAL = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE}

Extensions = dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]


@dataclass(frozen=True)
class IssuerFacts:
    """What a certificate is held against: read once, used for a whole batch."""

    name: x509.Name
    key_id: bytes
    not_before: datetime
    not_after: datetime
    path_length: int | None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> IssuerFacts:
        """Read the facts of an issuer."""
        found = loading.extension(certificate, x509.BasicConstraints)
        return cls(
            name=certificate.subject,
            key_id=build.key_identifier(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            path_length=found.path_length if isinstance(found, x509.BasicConstraints) else None,
        )


class Reading(NamedTuple):
    """A certificate with what costs time to read, read once. `key` is None where it is no key."""

    certificate: x509.Certificate
    extensions: Extensions
    common_names: list[str]
    key: PublicKey | None
    fault: str = ""

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Reading:
        """Read extensions and key; ValueError or another error where they are malformed."""
        extensions = {found.oid: found for found in certificate.extensions}
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        common_names = [str(attribute.value) for attribute in found]
        try:
            key = loading.public_key_of(certificate)
            keys.check_loaded(key)
        except PkiFault as fault:
            return cls(certificate, extensions, common_names, None, fault.explanation)
        return cls(certificate, extensions, common_names, key)


def lint_certificate(pem: str, *, kind: Kind, issuer_pem: str | None) -> list[str]:
    """Return what is wrong with a certificate of ours, one sentence a finding.

    Without `issuer_pem` the rules about the issuer and its signature are left out.
    """
    certificate = loading.load_certificate(pem)
    issuer = loading.load_certificate(issuer_pem) if issuer_pem else None
    facts = IssuerFacts.of(issuer) if issuer else None
    try:
        found = findings(Reading.of(certificate), kind=kind, issuer=facts)
    except Exception:  # the library raises many kinds at a malformed extension
        return ["The certificate cannot be read as a whole."]
    if issuer is not None and not loading.is_signed_by(certificate, issuer):
        found.append("The signature is not the issuer's.")
    return found


def findings(reading: Reading, *, kind: Kind, issuer: IssuerFacts | None) -> list[str]:
    """Return what is wrong with a certificate that was read, its signature left aside."""
    certificate, extensions = reading.certificate, reading.extensions
    rules: list[Iterable[str]] = [
        _about_itself(reading),
        _about_extensions(extensions, kind),
        _about_identifiers(extensions, issuer),
    ]
    if kind == "server":
        rules.append(_about_a_server(reading))
    else:
        rules.append(_about_an_authority(extensions))
    if kind == "root":
        rules.append(_about_a_root(certificate, extensions))
    if issuer is not None:
        rules.append(_about_the_issuer(certificate, kind, issuer))
    return [sentence for rule in rules for sentence in rule]


def _about_itself(reading: Reading) -> Iterator[str]:
    certificate = reading.certificate
    if certificate.version is not x509.Version.v3:
        yield "The version is not 3."
    serial = certificate.serial_number
    if serial <= 0 or not MIN_SERIAL_BITS <= serial.bit_length() <= MAX_SERIAL_BITS:
        yield f"The serial number has not {MIN_SERIAL_BITS} to {MAX_SERIAL_BITS} bits."
    if not loading.is_strong(certificate.signature_hash_algorithm):
        yield "It is not signed with SHA-256, SHA-384 or SHA-512."
    if certificate.not_valid_before_utc >= certificate.not_valid_after_utc:
        yield "It ends before it begins."
    if reading.key is None:
        yield reading.fault
    stated = reading.common_names
    if len(stated) != 1 or not 0 < len(stated[0]) <= names.MAX_TEXT:
        yield f"The subject has not one common name of 1 to {names.MAX_TEXT} characters."


def _about_extensions(extensions: Extensions, kind: Kind) -> Iterator[str]:
    for oid, found in extensions.items():
        if oid not in _ALLOWED[kind]:
            yield f"The extension {oid.dotted_string} does not belong in it."
        if found.critical != (oid in _CRITICAL):
            yield f"The extension {oid.dotted_string} is wrongly marked critical or not."
    if ExtensionOID.SUBJECT_KEY_IDENTIFIER not in extensions:
        yield "It has no subject key identifier."
    if ExtensionOID.AUTHORITY_KEY_IDENTIFIER not in extensions and kind != "root":
        yield "It has no authority key identifier."


def _about_identifiers(extensions: Extensions, issuer: IssuerFacts | None) -> Iterator[str]:
    found = extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    if found is None or not isinstance(found.value, x509.AuthorityKeyIdentifier):
        return
    identifier = found.value
    if identifier.authority_cert_issuer or identifier.authority_cert_serial_number:
        yield "The authority key identifier names issuer and serial, not the key alone."
    if identifier.key_identifier is None:
        yield "The authority key identifier has no key identifier."
    elif issuer is not None and identifier.key_identifier != issuer.key_id:
        yield "The authority key identifier is not the issuer's."


def _about_an_authority(extensions: Extensions) -> Iterator[str]:
    if _value(extensions, ExtensionOID.BASIC_CONSTRAINTS) != build.AUTHORITY:
        yield "The basic constraints are not those of a CA without path length."
    if _value(extensions, ExtensionOID.KEY_USAGE) != build.SIGNS_CERTIFICATES:
        yield "The key usage is not keyCertSign and cRLSign."


def _about_a_root(certificate: x509.Certificate, extensions: Extensions) -> Iterator[str]:
    if certificate.issuer != certificate.subject:
        yield "Issuer and subject of the root differ."
    own = _value(extensions, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    stated = _value(extensions, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    if (
        isinstance(own, x509.SubjectKeyIdentifier)
        and isinstance(stated, x509.AuthorityKeyIdentifier)
        and own.digest != stated.key_identifier
    ):
        yield "The authority key identifier of the root is not its own."


def _about_a_server(reading: Reading) -> Iterator[str]:
    extensions = reading.extensions
    if _value(extensions, ExtensionOID.BASIC_CONSTRAINTS) != build.END_ENTITY:
        yield "The basic constraints are not those of a server."
    if _value(extensions, ExtensionOID.EXTENDED_KEY_USAGE) != build.SERVER_AUTH:
        yield "The extended key usage is not serverAuth alone."
    usage = _value(extensions, ExtensionOID.KEY_USAGE)
    if reading.key is not None and usage != build.server_key_usage(reading.key):
        yield "The key usage is not that of a server with such a key."
    alternatives = _value(extensions, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if isinstance(alternatives, x509.SubjectAlternativeName):
        yield from _about_names(reading.common_names, alternatives)
    else:
        yield "It has no subject alternative name."


def _about_names(
    common_names: list[str], alternatives: x509.SubjectAlternativeName
) -> Iterator[str]:
    stated = list(alternatives)
    offered = build.names_of(stated)
    if len(offered.dns) + len(offered.addresses) != len(stated):
        yield "It has alternative names that are neither DNS names nor IP addresses."
    if not offered.dns and not offered.addresses:
        yield "It has no subject alternative name."
    try:
        if names.check_names(offered, wildcard=True) != offered:
            yield "The alternative names are not normalised, or repeated."
    except BadName as fault:
        yield fault.explanation
    for common_name in common_names:
        if common_name not in (*offered.dns, *offered.addresses):
            yield "The common name is not one of the alternative names."


def _about_the_issuer(
    certificate: x509.Certificate, kind: Kind, issuer: IssuerFacts
) -> Iterator[str]:
    if certificate.issuer != issuer.name:
        yield "The issuer's name is not the subject of the issuer."
    if certificate.not_valid_after_utc > issuer.not_after:
        yield "It outlives its issuer."
    if certificate.not_valid_before_utc < issuer.not_before:
        yield "It is valid before its issuer is."
    if kind == "bridge" and issuer.path_length == 0:
        yield "The path length of the issuer forbids it."


def _value(extensions: Extensions, oid: x509.ObjectIdentifier) -> x509.ExtensionType | None:
    found = extensions.get(oid)
    return found.value if found else None
