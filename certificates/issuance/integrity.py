"""Read every stored certificate again and tell what does not fit its row (S-8).

What is held against it: the columns copied from it, the row of its serial number, its issuer's
signature and the rules it was signed under.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from certificates.models import Authority, Bridge, FutureCertificate, Issued, ServerCertificate
from certificates.operations.states import READY, AuthorityState
from faults import Fault
from pki.certificates import details, lint
from pki.chains import chains
from pki.formats import csr

# A batch is signed and stored within seconds.
UNDER_WAY = timedelta(hours=1)
Check = Callable[[datetime], Iterator["Finding"]]


@dataclass(frozen=True)
class Finding:
    """What does not fit: the row, and why."""

    row: str
    why: str


def findings(now: datetime) -> Iterator[Finding]:
    """Return everything that does not fit; nothing where all is well."""
    for check in CHECKS:
        yield from check(now)


def _authorities(_now: datetime) -> Iterator[Finding]:
    for row in Authority.objects.exclude(state=AuthorityState.DISCARDED).iterator():
        name = f"authority {row.subject}"
        yield from _read(name, partial(_authority, row))


def _authority(row: Authority) -> Iterator[str]:
    facts = details.describe(row.root_pem)
    yield from _differ(
        ("fingerprint", row.sha256, facts.digest),
        ("subject", row.subject, facts.subject[:500]),
        ("key length", row.key_length, facts.key_length),
        ("first second", row.not_before, facts.not_before),
        ("last second", row.not_after, facts.not_after),
    )
    if row.is_internal:
        yield from lint.lint_certificate(row.root_pem, kind="root", issuer_pem=row.root_pem)
        yield from _numbered(row, facts)


def _bridges(_now: datetime) -> Iterator[Finding]:
    for row in Bridge.objects.select_related("issuer", "subject").iterator():
        name = f"bridge to {row.subject.subject} by {row.issuer.subject}"
        yield from _read(name, partial(_bridge, row))


def _bridge(row: Bridge) -> Iterator[str]:
    facts = details.describe(row.pem)
    yield from _differ(("last second", row.not_after, facts.not_after))
    yield from lint.lint_certificate(row.pem, kind="bridge", issuer_pem=row.issuer.root_pem)
    if chains.public_key_of(row.pem) != chains.public_key_of(row.subject.root_pem):
        yield "Its key is not that of the CA it leads to."
    yield from _numbered(row.issuer, facts)


def _servers(_now: datetime) -> Iterator[Finding]:
    rows = ServerCertificate.objects.select_related("device", "authority")
    for row in rows.iterator(chunk_size=500):
        name = f"certificate of {row.device.name} since {row.active_since:%Y-%m-%d %H:%M}"
        yield from _read(name, partial(_server, row))


def _server(row: ServerCertificate) -> Iterator[str]:
    leaf = chains.split(row.chain_pem)[0]
    facts = details.describe(leaf)
    yield from _differ(
        ("fingerprint", row.digest, facts.digest),
        ("subject", row.subject, facts.common_name[:253]),
        ("issuer", row.issuer, facts.issuer_common_name[:500]),
        ("key length", row.key_length, facts.key_length),
        ("first second", row.not_before, facts.not_before),
        ("last second", row.not_after, facts.not_after),
    )
    yield from _leaf(row.authority, leaf, facts)


def _futures(_now: datetime) -> Iterator[Finding]:
    rows = FutureCertificate.objects.filter(state__in=READY).exclude(chain_pem="")
    for row in rows.select_related("device", "authority").iterator(chunk_size=500):
        name = f"future certificate of {row.device.name}"
        yield from _read(name, partial(_future, row))


def _future(row: FutureCertificate) -> Iterator[str]:
    leaf = chains.split(row.chain_pem)[0]
    facts = details.describe(leaf)
    yield from _differ(
        ("fingerprint", row.digest, facts.digest), ("last second", row.not_after, facts.not_after)
    )
    if row.csr_pem and not chains.has_key(leaf, csr.read_csr(row.csr_pem).public_key):
        yield "Its key is not that of the CSR."
    if row.authority is not None:
        yield from _leaf(row.authority, leaf, facts)


def _leaf(issuer: Authority, leaf: str, facts: details.CertificateDetails) -> Iterator[str]:
    if issuer.is_internal:
        yield from lint.lint_certificate(leaf, kind="server", issuer_pem=issuer.root_pem)
        yield from _numbered(issuer, facts)


def _numbered(issuer: Authority, facts: details.CertificateDetails) -> Iterator[str]:
    """Hold a certificate of ours against the row of its serial number (S-4)."""
    row = Issued.objects.filter(authority=issuer, serial=facts.serial_hex).first()
    if row is None:
        yield f"No row gave out its serial number {facts.serial_hex}."
    elif row.sha256 != facts.digest:
        yield f"The row of its serial number {facts.serial_hex} names another certificate."


def _orphans(now: datetime) -> Iterator[Finding]:
    """Find serials that were given out and whose certificate was never stored (F-5)."""
    rows = Issued.objects.filter(sha256="", created_at__lt=now - UNDER_WAY)
    refused = FutureCertificate.objects.exclude(reason="").values("device")
    for row in rows.exclude(device__in=refused).iterator():
        yield Finding(
            f"serial {row.serial} for {row.subject}",
            "It was given out and no certificate was stored; one may have been signed.",
        )


def _differ(*pairs: tuple[str, object, object]) -> Iterator[str]:
    for what, row, certificate in pairs:
        if row != certificate:
            yield f"Its {what} is {certificate}, its row says {row}."


def _read(name: str, check: Callable[[], Iterator[str]]) -> Iterator[Finding]:
    try:
        for why in check():
            yield Finding(name, why)
    except (Fault, IndexError) as error:
        yield Finding(name, f"It cannot be read: {error}")


CHECKS: tuple[Check, ...] = (_authorities, _bridges, _servers, _futures, _orphans)
