"""Check an imported server certificate and its chain (docs/decisions.md D-12 and D-15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from pki.certificates import build, loading
from pki.chains import paths
from pki.errors import BadCertificate, BadChain, WrongName
from pki.names import Names, covers, host_name, shown

SOON = timedelta(days=30)
SLOW_CLOCKS = timedelta(hours=24)


@dataclass(frozen=True)
class Expected:
    """What a server certificate has to serve: these names, from this time on."""

    names: Names
    fqdn: str
    now: datetime
    active_at: datetime


def check_server(
    chain: list[x509.Certificate], root: x509.Certificate, expected: Expected
) -> list[str]:
    """Raise at the first error, each with its own message, and return the warnings."""
    leaf = chain[0]
    _check_purpose(leaf)
    for found in chain:
        paths.check_strength(found)
    names = _names(leaf)
    _check_names(leaf, names, expected)
    for found in [*chain, root]:
        _check_dates(found, expected)
    check_links(chain, root)
    verify(chain, roots=[root], host=expected.fqdn, at=expected.active_at)
    return [*_about_names(names, expected), *_about_dates(leaf, expected)]


def check_links(chain: list[x509.Certificate], root: x509.Certificate) -> None:
    """Raise BadChain unless each certificate signs the one before it, up to the root."""
    for found, issuer in zip(chain, [*chain[1:], root], strict=True):
        if not loading.is_signed_by(found, issuer):
            raise BadChain(f"{paths.who(found)} is not signed by {paths.who(issuer)}.")
    paths.check_path(chain, root)


def verify(
    chain: list[x509.Certificate], *, roots: list[x509.Certificate], host: str, at: datetime
) -> x509.Certificate:
    """Verify a served chain with the library's strict verifier and return its anchor."""
    wanted = host_name(host)
    name = x509.DNSName(wanted) if isinstance(wanted, str) else x509.IPAddress(wanted)
    try:
        policy = PolicyBuilder().store(Store(roots)).time(at)
        verified = policy.build_server_verifier(name).verify(chain[0], chain[1:])
    except Exception as error:
        raise BadChain(
            f"The chain does not verify for {shown(host, 255)}: {shown(str(error), 500)}"
        ) from error
    return verified[-1]


def _check_purpose(leaf: x509.Certificate) -> None:
    constraints = loading.extension(leaf, x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise BadCertificate(f"{paths.who(leaf)} is the certificate of a CA, not of a server.")
    purposes = loading.extension(leaf, x509.ExtendedKeyUsage)
    if (
        isinstance(purposes, x509.ExtendedKeyUsage)
        and ExtendedKeyUsageOID.SERVER_AUTH not in purposes
    ):
        raise BadCertificate(
            f"{paths.who(leaf)} is not for servers: serverAuth is missing in its extended key"
            " usage."
        )
    usage = loading.extension(leaf, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.digital_signature:
        raise BadCertificate(f"The key usage of {paths.who(leaf)} lacks digitalSignature.")


def _names(leaf: x509.Certificate) -> Names:
    found = loading.extension(leaf, x509.SubjectAlternativeName)
    if not isinstance(found, x509.SubjectAlternativeName):
        return Names()
    return build.names_of(found)


def _check_names(leaf: x509.Certificate, names: Names, expected: Expected) -> None:
    if covers(names, expected.fqdn):
        return
    common_names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if expected.fqdn.lower() in {str(found.value).lower() for found in common_names}:
        raise WrongName(
            f"The certificate names {expected.fqdn} in its common name only.",
            action="Have it issued with the name as subject alternative name (DNS).",
        )
    offered = shown(", ".join((*names.dns, *names.addresses)), 300) or "no name"
    raise WrongName(f"The certificate does not cover {expected.fqdn}, but {offered}.")


def _check_dates(certificate: x509.Certificate, expected: Expected) -> None:
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if ends <= expected.now:
        raise BadCertificate(f"{paths.who(certificate)} expired on {_day(ends)}.")
    if ends <= expected.active_at:
        raise BadCertificate(
            f"{paths.who(certificate)} expires on {_day(ends)}, before the activation."
        )
    if begins > expected.active_at:
        raise BadCertificate(
            f"{paths.who(certificate)} is valid from {_day(begins)} only, after the activation."
        )


def _about_names(names: Names, expected: Expected) -> list[str]:
    found: list[str] = []
    if not _covers_plainly(names, expected.fqdn):
        found.append(
            f"Only a wildcard covers {expected.fqdn}. Devices that registered by address"
            " would not accept the certificate."
        )
    missing = [
        name
        for name in (*expected.names.dns, *expected.names.addresses)
        if name != expected.fqdn and not covers(names, name)
    ]
    if missing:
        found.append(
            "Devices that use one of these names would not accept the certificate: "
            + ", ".join(missing)
            + "."
        )
    return found


def _covers_plainly(names: Names, fqdn: str) -> bool:
    plain = Names(dns=tuple(name for name in names.dns if not name.startswith("*.")))
    return covers(plain, fqdn)


def _about_dates(leaf: x509.Certificate, expected: Expected) -> list[str]:
    found: list[str] = []
    if leaf.not_valid_after_utc - expected.active_at < SOON:
        found.append(f"The certificate expires soon, on {_day(leaf.not_valid_after_utc)}.")
    if leaf.not_valid_before_utc > expected.active_at - SLOW_CLOCKS:
        found.append(
            "The certificate becomes valid less than 24 hours before the activation. Devices"
            " whose clock is slow would not accept it at first."
        )
    return found


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
