"""Compare the new certificate of a server with its current one and with its names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from certificates.issuance.names import build_names
from devices.models import Device
from faults import Fault
from pki.certificates.details import CertificateDetails
from pki.names import Names, covers

DATE_FIELDS = ("not_before", "not_after")
FIELDS: tuple[tuple[str, str | Promise], ...] = (
    ("subject", _("Subject")),
    ("issuer", _("Issued by")),
    ("not_before", _("Valid from")),
    ("not_after", _("Expires")),
    ("key_length", _("Key length")),
    ("names", _("Subject alternative names")),
    ("serial_hex", _("Serial number")),
    ("sha256", _("SHA256 Fingerprint")),
    ("sha1", _("SHA1 Fingerprint")),
    ("md5", _("MD5 Fingerprint")),
)
MONOSPACE_FIELDS = ("serial_hex", "sha256", "sha1", "md5")
# Fields that differ in every certificate and are not marked as changed.
ALWAYS_DIFFERENT = (*MONOSPACE_FIELDS, *DATE_FIELDS)


@dataclass(frozen=True)
class Row:
    """A field of both certificates."""

    label: str | Promise
    current: Any
    new: Any
    is_date: bool = False
    is_mono: bool = False
    differs: bool = False


def compare(current: CertificateDetails | None, new: CertificateDetails) -> list[Row]:
    """Return the fields of both certificates, with changed values marked."""
    found = []
    for key, label in FIELDS:
        before, after = _get_value(current, key), _get_value(new, key)
        differs = current is not None and key not in ALWAYS_DIFFERENT and before != after
        found.append(
            Row(label, before, after, key in DATE_FIELDS, key in MONOSPACE_FIELDS, differs)
        )
    return found


def _get_value(details: CertificateDetails | None, key: str) -> Any:
    if details is None:
        return None
    if key == "names":
        return ", ".join((*details.dns_names, *details.addresses))
    if key == "key_length":
        return f"{details.key_length} ({details.key_label})"
    return getattr(details, key)


def list_uncovered_names(device: Device, details: CertificateDetails) -> list[str]:
    """Return the names and addresses of a server that a certificate does not cover (D-11, D-12).

    Devices that connect by one of them would reject the certificate.
    """
    try:
        needed = build_names(device, include_dns=False)
    except Fault:
        return []
    offered = Names(dns=details.dns_names, addresses=details.addresses)
    return [name for name in (*needed.dns, *needed.addresses) if not covers(offered, name)]
