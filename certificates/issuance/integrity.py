"""Check all stored certificates for inconsistencies.

Each certificate is compared with the columns of its row and with the record of its serial number.
Its signature and its compliance with the profile are verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from certificates.models import (
    Authority,
    CrossCertificate,
    FutureCertificate,
    IssuedCertificate,
    ServerCertificate,
)
from certificates.operations.states import READY, AuthorityState
from faults import Fault
from pki.certificates import constraints, details, lint
from pki.chains import chains
from pki.formats import csr

# A batch is signed and stored within seconds.
BATCH_TIMEOUT = timedelta(hours=1)
Check = Callable[[datetime], Iterator["Finding"]]


@dataclass(frozen=True)
class Finding:
    """An inconsistency: the row and the reason."""

    row: str
    why: str


def list_findings(now: datetime) -> Iterator[Finding]:
    """Yield all inconsistencies."""
    for check in CHECKS:
        yield from check(now)


def _check_authorities(_now: datetime) -> Iterator[Finding]:
    for row in Authority.objects.exclude(state=AuthorityState.DISCARDED).iterator():
        name = f"authority {row.subject}"
        yield from _run_check(name, partial(_lint_authority, row))


def _lint_authority(row: Authority) -> Iterator[str]:
    facts = details.get_details(row.root_pem)
    yield from _list_differences(
        ("fingerprint", row.sha256, facts.digest),
        ("subject", row.subject, facts.subject[:500]),
        ("key length", row.key_length, facts.key_length),
        ("start time", row.not_before, facts.not_before),
        ("end time", row.not_after, facts.not_after),
    )
    if row.is_internal:
        yield from lint.lint_certificate(row.root_pem, kind="root", issuer_pem=row.root_pem)
        yield from _check_serial(row, facts)


def _check_cross_certificates(_now: datetime) -> Iterator[Finding]:
    for row in CrossCertificate.objects.select_related("issuer", "subject").iterator():
        name = f"cross-certificate for {row.subject.subject} issued by {row.issuer.subject}"
        yield from _run_check(name, partial(_lint_cross_certificate, row))


def _lint_cross_certificate(row: CrossCertificate) -> Iterator[str]:
    facts = details.get_details(row.pem)
    yield from _list_differences(("end time", row.not_after, facts.not_after))
    yield from lint.lint_certificate(
        row.pem, kind="cross-certificate", issuer_pem=row.issuer.root_pem
    )
    if chains.get_public_key(row.pem) != chains.get_public_key(row.subject.root_pem):
        yield "The public key does not match the key of the subject CA."
    # Cross-certificates of an earlier version do not repeat the constraints of an external root.
    rules = constraints.read_rules(row.pem)
    if row.subject.is_internal and rules != constraints.read_rules(row.subject.root_pem):
        yield "The name constraints do not match those of the subject CA."
    yield from _check_serial(row.issuer, facts)


def _check_server_certificates(_now: datetime) -> Iterator[Finding]:
    rows = ServerCertificate.objects.select_related("device", "authority")
    for row in rows.iterator(chunk_size=500):
        since = f"active since {row.active_since:%Y-%m-%d %H:%M}"
        name = f"certificate of {row.device.name} ({since})"
        yield from _run_check(name, partial(_lint_server_certificate, row))


def _lint_server_certificate(row: ServerCertificate) -> Iterator[str]:
    leaf = chains.split(row.chain_pem)[0]
    facts = details.get_details(leaf)
    yield from _list_differences(
        ("fingerprint", row.digest, facts.digest),
        ("subject", row.subject, facts.common_name[:253]),
        ("issuer", row.issuer, facts.issuer_common_name[:500]),
        ("key length", row.key_length, facts.key_length),
        ("start time", row.not_before, facts.not_before),
        ("end time", row.not_after, facts.not_after),
    )
    yield from _lint_leaf(row.authority, leaf, facts)


def _check_future_certificates(_now: datetime) -> Iterator[Finding]:
    rows = FutureCertificate.objects.filter(state__in=READY).exclude(chain_pem="")
    for row in rows.select_related("device", "authority").iterator(chunk_size=500):
        name = f"new certificate of {row.device.name}"
        yield from _run_check(name, partial(_lint_future_certificate, row))


def _lint_future_certificate(row: FutureCertificate) -> Iterator[str]:
    leaf = chains.split(row.chain_pem)[0]
    facts = details.get_details(leaf)
    yield from _list_differences(
        ("fingerprint", row.digest, facts.digest), ("end time", row.not_after, facts.not_after)
    )
    if row.csr_pem and not chains.has_key(leaf, csr.parse_csr(row.csr_pem).public_key):
        yield "The public key does not match the CSR."
    if row.authority is not None:
        yield from _lint_leaf(row.authority, leaf, facts)


def _lint_leaf(issuer: Authority, leaf: str, facts: details.CertificateDetails) -> Iterator[str]:
    if issuer.is_internal:
        yield from lint.lint_certificate(leaf, kind="server", issuer_pem=issuer.root_pem)
        yield from _check_serial(issuer, facts)


def _check_serial(issuer: Authority, facts: details.CertificateDetails) -> Iterator[str]:
    """Compare a certificate with the record of its serial number."""
    row = IssuedCertificate.objects.filter(authority=issuer, serial=facts.serial_hex).first()
    if row is None:
        yield f"Serial number {facts.serial_hex} has no matching issuance record."
    elif row.sha256 != facts.digest:
        yield (
            f"The issuance record for serial number {facts.serial_hex} "
            "belongs to a different certificate."
        )


def _check_orphaned_serials(now: datetime) -> Iterator[Finding]:
    """Yield serial numbers without a stored certificate."""
    rows = IssuedCertificate.objects.filter(sha256="", created_at__lt=now - BATCH_TIMEOUT)
    refused = FutureCertificate.objects.exclude(reason="").values("device")
    for row in rows.exclude(device__in=refused).iterator():
        yield Finding(
            f"serial {row.serial} for {row.subject}",
            (
                "A serial number was allocated but no certificate is stored. A "
                "certificate might have been signed."
            ),
        )


def _list_differences(*pairs: tuple[str, object, object]) -> Iterator[str]:
    for what, row, certificate in pairs:
        if row != certificate:
            yield (f"The {what} is {certificate} in the certificate but {row} in the database.")


def _run_check(name: str, check: Callable[[], Iterator[str]]) -> Iterator[Finding]:
    try:
        for why in check():
            yield Finding(name, why)
    except (Fault, IndexError) as error:
        yield Finding(name, f"The certificate cannot be parsed: {error}")


CHECKS: tuple[Check, ...] = (
    _check_authorities,
    _check_cross_certificates,
    _check_server_certificates,
    _check_future_certificates,
    _check_orphaned_serials,
)
