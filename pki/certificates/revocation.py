"""Build certificate revocation lists (CRLs): complete ones, signed by the CA itself.

See: RFC 5280 5; D-266
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from faults.texts import gettext as _
from pki.certificates import build, loading
from pki.errors import CannotSign, PkiFault
from pki.keys import SigningKey

# The reason `unspecified` is not in an entry (RFC 5280 5.3.1).
_REASONS = {
    "key-compromise": x509.ReasonFlags.key_compromise,
    "affiliation-changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
}


class RevokedSerial(NamedTuple):
    """An entry of a CRL: a serial number, the time of the revocation, and the reason (RFC 5280)."""

    serial: int
    revoked_at: datetime
    reason: str


class ListValidity(NamedTuple):
    """The number of a CRL, its time, and when the next one is issued at the latest."""

    number: int
    issued_at: datetime
    next_update: datetime


def build_crl(
    issuer_pem: str, key: SigningKey, revoked: Iterable[RevokedSerial], validity: ListValidity
) -> bytes:
    """Return a signed CRL (DER), or raise CannotSign."""
    try:
        issuer, signer = loading.load_pair(issuer_pem, key)
    except PkiFault as fault:
        raise CannotSign(fault.explanation) from fault
    if not can_sign_crls(issuer_pem):
        raise CannotSign(
            _("The CA certificate does not allow its key to sign revocation lists."),
            action=_("Devices still reject revoked certificates. For a CRL, remint the CA."),
        )
    identifier = build.build_authority_identifier(build.get_key_identifier(issuer))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(validity.issued_at)
        .next_update(validity.next_update)
        .add_extension(identifier, critical=False)
        .add_extension(x509.CRLNumber(validity.number), critical=False)
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(_build_entry(one))
    return builder.sign(signer, build.get_hash(signer)).public_bytes(Encoding.DER)


def can_sign_crls(issuer_pem: str) -> bool:
    """Return True if the key usage of a CA allows it to sign CRLs (RFC 5280 4.2.1.3)."""
    usage = loading.get_extension(loading.load_certificate(issuer_pem), x509.KeyUsage)
    return not isinstance(usage, x509.KeyUsage) or usage.crl_sign


def get_key_id(issuer_pem: str) -> str:
    """Return the key identifier of a CA in lower-case hex. It is part of the address of its CRL."""
    return build.get_key_identifier(loading.load_certificate(issuer_pem)).hex()


def get_reason(reason: str) -> x509.ReasonFlags | None:
    """Return the flag of a reason, None if an entry does not state it (RFC 5280 5.3.1)."""
    return _REASONS.get(reason)


def _build_entry(one: RevokedSerial) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.revoked_at)
    )
    reason = get_reason(one.reason)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()
