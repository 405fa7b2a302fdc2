"""A server's future certificate beside its current one, and the names that one does not cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from certificates.issuance.names import names_of
from devices.models import Device
from faults import Fault
from pki.certificates.details import CertificateDetails
from pki.names import Names, covers

DATES = ("not_before", "not_after")
LINES: tuple[tuple[str, str | Promise], ...] = (
    ("subject", _("Subject")),
    ("issuer", _("Issued by")),
    ("not_before", _("Valid from")),
    ("not_after", _("Expires")),
    ("key_length", _("Key length")),
    ("names", _("Names")),
    ("serial_hex", _("Serial number")),
    ("sha256", _("SHA256 Fingerprint")),
    ("sha1", _("SHA1 Fingerprint")),
    ("md5", _("MD5 Fingerprint")),
)
MONO = ("serial_hex", "sha256", "sha1", "md5")
# These differ from certificate to certificate: a mark on them would say nothing.
ALWAYS_NEW = (*MONO, *DATES)


@dataclass(frozen=True)
class Line:
    """One property of both certificates."""

    label: str | Promise
    current: Any
    new: Any
    is_date: bool = False
    is_mono: bool = False
    differs: bool = False


def rows(current: CertificateDetails | None, new: CertificateDetails) -> list[Line]:
    """Return the properties of both side by side; what is worth a look is marked."""
    found = []
    for key, label in LINES:
        before, after = _value(current, key), _value(new, key)
        differs = current is not None and key not in ALWAYS_NEW and before != after
        found.append(Line(label, before, after, key in DATES, key in MONO, differs))
    return found


def _value(details: CertificateDetails | None, key: str) -> Any:
    if details is None:
        return None
    if key == "names":
        return ", ".join((*details.dns_names, *details.addresses))
    if key == "key_length":
        return f"{details.key_length} ({details.key_label})"
    return getattr(details, key)


def uncovered(device: Device, details: CertificateDetails) -> list[str]:
    """Return the names and addresses of a server that its certificate does not cover (D-11, D-12).

    Devices that use one of them would not accept the certificate.
    """
    try:
        needed = names_of(device, include_dns=False)
    except Fault:
        return []
    offered = Names(dns=details.dns_names, addresses=details.addresses)
    return [name for name in (*needed.dns, *needed.addresses) if not covers(offered, name)]
