"""Check an imported server certificate and its chain (docs/decisions.md D-12, D-15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from pki.certificates import build, loading
from pki.chains import paths
from pki.errors import BadCertificate, BadChain, WrongName
from pki.names import Names, covers, escape_text, parse_host

EXPIRES_SOON = timedelta(days=30)
CLOCK_TOLERANCE = timedelta(hours=24)


@dataclass(frozen=True)
class Requirements:
    """The names that a server certificate must contain and the time when it becomes active."""

    names: Names
    fqdn: str
    now: datetime
    active_at: datetime


def check_server(
    chain: list[x509.Certificate], root: x509.Certificate, expected: Requirements
) -> list[str]:
    """Raise a fault for the first error, or return the warnings."""
    leaf = chain[0]
    _check_purpose(leaf)
    for found in chain:
        paths.check_strength(found)
    names = _get_names(leaf)
    _check_names(leaf, names, expected)
    for found in [*chain, root]:
        _check_dates(found, expected)
    check_links(chain, root)
    verify(chain, roots=[root], host=expected.fqdn, at=expected.active_at)
    return [*_list_name_warnings(names, expected), *_list_date_warnings(leaf, expected)]


def check_links(chain: list[x509.Certificate], root: x509.Certificate) -> None:
    """Raise BadChain unless each certificate signs the one before it, up to the root."""
    for found, issuer in zip(chain, [*chain[1:], root], strict=True):
        if not loading.is_signed_by(found, issuer):
            raise BadChain(f"{paths.quote(found)} is not signed by {paths.quote(issuer)}.")
    paths.check_path(chain, root)


def verify(
    chain: list[x509.Certificate], *, roots: list[x509.Certificate], host: str, at: datetime
) -> x509.Certificate:
    """Verify a chain with the strict verifier of the library and return its trusted root."""
    wanted = parse_host(host)
    name = x509.DNSName(wanted) if isinstance(wanted, str) else x509.IPAddress(wanted)
    try:
        policy = PolicyBuilder().store(Store(roots)).time(at)
        verified = policy.build_server_verifier(name).verify(chain[0], chain[1:])
    except Exception as error:
        raise BadChain(
            f"Chain verification failed for {escape_text(host, 255)}: "
            f"{escape_text(str(error), 500)}"
        ) from error
    return verified[-1]


def _check_purpose(leaf: x509.Certificate) -> None:
    constraints = loading.get_extension(leaf, x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise BadCertificate(f"{paths.quote(leaf)} is a CA certificate, not a server certificate.")
    purposes = loading.get_extension(leaf, x509.ExtendedKeyUsage)
    if (
        isinstance(purposes, x509.ExtendedKeyUsage)
        and ExtendedKeyUsageOID.SERVER_AUTH not in purposes
    ):
        raise BadCertificate(
            f"{paths.quote(leaf)} cannot be used for servers because its extended "
            "key usage does not include serverAuth."
        )
    usage = loading.get_extension(leaf, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.digital_signature:
        raise BadCertificate(
            f"The key usage of {paths.quote(leaf)} does not include digitalSignature."
        )


def _get_names(leaf: x509.Certificate) -> Names:
    found = loading.get_extension(leaf, x509.SubjectAlternativeName)
    if not isinstance(found, x509.SubjectAlternativeName):
        return Names()
    return build.parse_alternative_names(found)


def _check_names(leaf: x509.Certificate, names: Names, expected: Requirements) -> None:
    if covers(names, expected.fqdn):
        return
    common_names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if expected.fqdn.lower() in {str(found.value).lower() for found in common_names}:
        raise WrongName(
            f"The certificate contains {expected.fqdn} only in its common name.",
            action=(
                "Request a certificate that includes the name as a DNS subject alternative name."
            ),
        )
    offered = escape_text(", ".join((*names.dns, *names.addresses)), 300) or "no name"
    raise WrongName(f"The certificate does not cover {expected.fqdn}. It covers {offered}.")


def _check_dates(certificate: x509.Certificate, expected: Requirements) -> None:
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if ends <= expected.now:
        raise BadCertificate(f"{paths.quote(certificate)} expired on {_format_time(ends)}.")
    if ends <= expected.active_at:
        raise BadCertificate(
            f"{paths.quote(certificate)} expires on {_format_time(ends)}, before the "
            "activation time."
        )
    if begins > expected.active_at:
        raise BadCertificate(
            f"{paths.quote(certificate)} is not valid until {_format_time(begins)}, after "
            "the activation time."
        )


def _list_name_warnings(names: Names, expected: Requirements) -> list[str]:
    found: list[str] = []
    if not _covers_without_wildcard(names, expected.fqdn):
        found.append(
            f"{expected.fqdn} is covered only by a wildcard. Devices that "
            "connect by IP address will reject the certificate."
        )
    missing = [
        name
        for name in (*expected.names.dns, *expected.names.addresses)
        if name != expected.fqdn and not covers(names, name)
    ]
    if missing:
        found.append(
            ("Devices that connect by one of these names will reject the certificate: ")
            + ", ".join(missing)
            + "."
        )
    return found


def _covers_without_wildcard(names: Names, fqdn: str) -> bool:
    plain = Names(dns=tuple(name for name in names.dns if not name.startswith("*.")))
    return covers(plain, fqdn)


def _list_date_warnings(leaf: x509.Certificate, expected: Requirements) -> list[str]:
    found: list[str] = []
    if leaf.not_valid_after_utc - expected.active_at < EXPIRES_SOON:
        found.append(f"The certificate expires soon ({_format_time(leaf.not_valid_after_utc)}).")
    if leaf.not_valid_before_utc > expected.active_at - CLOCK_TOLERANCE:
        found.append(
            "The certificate becomes valid less than 24 hours before the "
            "activation. Devices whose clock is behind might reject it at "
            "first."
        )
    return found


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
