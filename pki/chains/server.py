"""Check an imported server certificate and its chain (docs/decisions.md D-12, D-15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.certificates import build, loading
from pki.chains import judge, paths
from pki.chains.loaded import Loaded
from pki.chains.paths import Path
from pki.errors import BadCertificate, BadChain, WrongName
from pki.names import Names, covers, escape_text

EXPIRES_SOON = timedelta(days=30)
CLOCK_TOLERANCE = timedelta(hours=24)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Requirements:
    """The names that a server certificate must contain and the time when it becomes active."""

    names: Names
    fqdn: str
    now: datetime
    active_at: datetime


def check_server(path: Path, root: Loaded, expected: Requirements) -> list[str]:
    """Raise a fault for the first error, or return the warnings."""
    leaf = path[0]
    _check_purpose(leaf)
    for found in path:
        paths.check_strength(found)
    names = _get_names(leaf.certificate)
    _check_names(leaf, names, expected)
    for found in (*path, root):
        check_dates(found, expected.now, expected.active_at)
    check_links(path, root)
    judge.check_server(path, root, expected.fqdn)
    return [*_list_name_warnings(names, expected), *_list_date_warnings(path, root, expected)]


def check_links(path: Path, root: Loaded) -> None:
    """Raise BadChain unless each certificate signs the one before it, up to the root."""
    for found, issuer in zip(path, [*path[1:], root], strict=True):
        if not found.is_signed_by(issuer):
            raise BadChain(f"{found} is not signed by {issuer}.")
    paths.check_path(path, root)


def check_dates(found: Loaded, now: datetime, active_at: datetime) -> None:
    """Raise BadCertificate unless the certificate is valid now or later, and at `active_at`.

    Both dates belong to the validity period (RFC 5280, 4.1.2.5).
    """
    certificate = found.certificate
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if ends + _SECOND <= now:
        raise BadCertificate(f"{found} expired on {_format_time(ends)}.", action=_RENEW)
    if ends + _SECOND <= active_at:
        raise BadCertificate(
            f"{found} expires on {_format_time(ends)}, before the activation time.",
            action=_RENEW,
        )
    if begins > active_at:
        raise BadCertificate(
            f"{found} is not valid until {_format_time(begins)}, after the activation time.",
            action=_RENEW,
        )


_RENEW = "Use certificates that are valid at the activation time."


def _check_purpose(leaf: Loaded) -> None:
    constraints = loading.get_extension(leaf.certificate, x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise BadCertificate(
            f"{leaf} is a CA certificate, not a server certificate.",
            action="Import the certificate that the CA issued for the CSR of the server.",
        )
    purposes = loading.get_extension(leaf.certificate, x509.ExtendedKeyUsage)
    if (
        isinstance(purposes, x509.ExtendedKeyUsage)
        and ExtendedKeyUsageOID.SERVER_AUTH not in purposes
    ):
        raise BadCertificate(
            f"{leaf} cannot be used for servers because its extended "
            "key usage does not include serverAuth.",
            action="Request a TLS server certificate.",
        )
    usage = loading.get_extension(leaf.certificate, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.digital_signature:
        raise BadCertificate(
            f"The key usage of {leaf} does not include digitalSignature.",
            action="Request a TLS server certificate.",
        )


def _get_names(leaf: x509.Certificate) -> Names:
    found = loading.get_extension(leaf, x509.SubjectAlternativeName)
    if not isinstance(found, x509.SubjectAlternativeName):
        return Names()
    return build.parse_alternative_names(found)


def _check_names(leaf: Loaded, names: Names, expected: Requirements) -> None:
    if covers(names, expected.fqdn):
        return
    _check_name_forms(leaf, names, expected.fqdn)
    common_names = leaf.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if expected.fqdn.lower() in {str(found.value).lower() for found in common_names}:
        raise WrongName(
            f"The certificate contains {expected.fqdn} only in its common name.",
            action=_REQUEST_NAME,
        )
    offered = escape_text(", ".join((*names.dns, *names.addresses)), 300) or "no name"
    raise WrongName(
        f"The certificate does not cover {expected.fqdn}. It covers {offered}.",
        action=_REQUEST_NAME,
    )


def _check_name_forms(leaf: Loaded, names: Names, fqdn: str) -> None:
    """Raise WrongName if a name almost matches, but has a form that devices do not accept."""
    for name in names.dns:
        lower = name.lower()
        if lower.rstrip(".") == fqdn:
            raise WrongName(
                f'{leaf} contains "{escape_text(name, 255)}" with a final dot, so devices do not '
                f"accept it for {fqdn}.",
                action=_REQUEST_NAME,
            )
        label, _, domain = lower.partition(".")
        if "*" in label and label != "*" and domain == fqdn.partition(".")[2]:
            raise WrongName(
                f'{leaf} contains "{escape_text(name, 255)}". Devices accept a wildcard only '
                "for the complete first label.",
                action=_REQUEST_NAME,
            )


_REQUEST_NAME = "Request a certificate that includes the name as a DNS subject alternative name."


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


def _list_date_warnings(path: Path, root: Loaded, expected: Requirements) -> list[str]:
    leaf, soon = path[0].certificate, expected.active_at + EXPIRES_SOON
    found: list[str] = []
    if leaf.not_valid_after_utc < soon:
        found.append(f"The certificate expires soon ({_format_time(leaf.not_valid_after_utc)}).")
    for authority in (*path[1:], root):
        ends = authority.certificate.not_valid_after_utc
        if ends < soon:
            found.append(
                f"{authority} expires soon ({_format_time(ends)}). From then on, devices reject "
                "the server certificate."
            )
        elif ends < leaf.not_valid_after_utc:
            found.append(
                f"{authority} expires before the server certificate ({_format_time(ends)}). From "
                "then on, devices reject the server certificate."
            )
    if leaf.not_valid_before_utc > expected.active_at - CLOCK_TOLERANCE:
        found.append(
            "The certificate becomes valid less than 24 hours before the "
            "activation. Devices whose clock is behind might reject it at "
            "first."
        )
    return found


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
