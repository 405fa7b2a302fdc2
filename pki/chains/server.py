"""Check an imported server certificate and its chain (docs/decisions.md D-12, D-15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.certificates import build, loading
from pki.chains import judge, paths
from pki.chains.loaded import Loaded
from pki.chains.paths import Path
from pki.errors import BadCertificate, BadChain, WrongName
from pki.escaping import escape_text
from pki.names import Names, covers

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
            raise BadChain(
                _("%(found)s is not signed by %(issuer)s.") % {"found": found, "issuer": issuer}
            )
    paths.check_path(path, root)


def check_dates(found: Loaded, now: datetime, active_at: datetime) -> None:
    """Raise BadCertificate unless the certificate is valid now or later, and at `active_at`.

    Both dates belong to the validity period (RFC 5280, 4.1.2.5).
    """
    certificate = found.certificate
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if ends + _SECOND <= now:
        raise BadCertificate(
            _("%(found)s expired on %(ends)s.") % {"found": found, "ends": _format_time(ends)},
            action=_(_RENEW),
        )
    if ends + _SECOND <= active_at:
        raise BadCertificate(
            _("%(found)s expires on %(ends)s, before the activation time.")
            % {"found": found, "ends": _format_time(ends)},
            action=_(_RENEW),
        )
    if begins > active_at:
        raise BadCertificate(
            _("%(found)s is not valid until %(begins)s, after the activation time.")
            % {"found": found, "begins": _format_time(begins)},
            action=_(_RENEW),
        )


_RENEW = gettext_noop("Use certificates that are valid at the activation time.")


def _check_purpose(leaf: Loaded) -> None:
    constraints = loading.get_extension(leaf.certificate, x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        raise BadCertificate(
            _("%(leaf)s is a CA certificate, not a server certificate.") % {"leaf": leaf},
            action=_("Import the certificate that the CA issued for the CSR of the server."),
        )
    purposes = loading.get_extension(leaf.certificate, x509.ExtendedKeyUsage)
    if (
        isinstance(purposes, x509.ExtendedKeyUsage)
        and ExtendedKeyUsageOID.SERVER_AUTH not in purposes
    ):
        raise BadCertificate(
            _(
                "%(leaf)s cannot be used for servers because its extended key usage does "
                "not include serverAuth."
            )
            % {"leaf": leaf},
            action=_("Request a TLS server certificate."),
        )
    usage = loading.get_extension(leaf.certificate, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.digital_signature:
        raise BadCertificate(
            _("The key usage of %(leaf)s does not include digitalSignature.") % {"leaf": leaf},
            action=_("Request a TLS server certificate."),
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
            _("The certificate contains %(fqdn)s only in its common name.")
            % {"fqdn": expected.fqdn},
            action=_(_REQUEST_NAME),
        )
    offered = escape_text(", ".join((*names.dns, *names.addresses)), 300) or _("no name")
    raise WrongName(
        _("The certificate does not cover %(fqdn)s. It covers %(offered)s.")
        % {"fqdn": expected.fqdn, "offered": offered},
        action=_(_REQUEST_NAME),
    )


def _check_name_forms(leaf: Loaded, names: Names, fqdn: str) -> None:
    """Raise WrongName if a name almost matches, but has a form that devices do not accept."""
    for name in names.dns:
        lower = name.lower()
        if lower.rstrip(".") == fqdn:
            raise WrongName(
                _(
                    '%(leaf)s contains "%(name)s" with a final dot, so devices do not accept '
                    "it for %(fqdn)s."
                )
                % {"leaf": leaf, "name": escape_text(name, 255), "fqdn": fqdn},
                action=_(_REQUEST_NAME),
            )
        label, _dot, domain = lower.partition(".")
        if "*" in label and label != "*" and domain == fqdn.partition(".")[2]:
            raise WrongName(
                _(
                    '%(leaf)s contains "%(name)s". Devices accept a wildcard only for the '
                    "complete first label."
                )
                % {"leaf": leaf, "name": escape_text(name, 255)},
                action=_(_REQUEST_NAME),
            )


_REQUEST_NAME = gettext_noop(
    "Request a certificate that includes the name as a DNS subject alternative name."
)


def _list_name_warnings(names: Names, expected: Requirements) -> list[str]:
    found: list[str] = []
    if not _covers_without_wildcard(names, expected.fqdn):
        found.append(
            _(
                "%(fqdn)s is covered only by a wildcard. Devices that connect by IP address will "
                "reject the certificate."
            )
            % {"fqdn": expected.fqdn}
        )
    missing = [
        name
        for name in (*expected.names.dns, *expected.names.addresses)
        if name != expected.fqdn and not covers(names, name)
    ]
    if missing:
        found.append(
            _("Devices that connect by one of these names will reject the certificate: %(names)s.")
            % {"names": ", ".join(missing)}
        )
    return found


def _covers_without_wildcard(names: Names, fqdn: str) -> bool:
    plain = Names(dns=tuple(name for name in names.dns if not name.startswith("*.")))
    return covers(plain, fqdn)


def _list_date_warnings(path: Path, root: Loaded, expected: Requirements) -> list[str]:
    leaf, soon = path[0].certificate, expected.active_at + EXPIRES_SOON
    found: list[str] = []
    if leaf.not_valid_after_utc < soon:
        found.append(
            _("The certificate expires soon (%s).") % _format_time(leaf.not_valid_after_utc)
        )
    for authority in (*path[1:], root):
        ends = authority.certificate.not_valid_after_utc
        if ends < soon:
            found.append(
                _(
                    "%(found)s expires soon (%(ends)s). From then on, devices reject the server "
                    "certificate."
                )
                % {"found": authority, "ends": _format_time(ends)}
            )
        elif ends < leaf.not_valid_after_utc:
            found.append(
                _(
                    "%(found)s expires before the server certificate (%(ends)s). From then on, "
                    "devices reject the server certificate."
                )
                % {"found": authority, "ends": _format_time(ends)}
            )
    if leaf.not_valid_before_utc > expected.active_at - CLOCK_TOLERANCE:
        found.append(
            _(
                "The certificate becomes valid less than 24 hours before the activation. Devices "
                "whose clock is behind might reject it at first."
            )
        )
    return found


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
