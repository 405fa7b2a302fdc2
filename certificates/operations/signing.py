"""Sign waiting CSRs in batches: intents first, then signatures, then one transaction (S-4, P-1)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from certificates import vault
from certificates.machine import FutureState
from certificates.models import Authority, FutureCertificate, Issued
from certificates.naming import order_for
from devices.models import Device, Zone
from faults import Fault
from ledger.models import Entry
from pki import csr, details, issuing, keys, names
from pki.issuing import Issuer

log = logging.getLogger(__name__)
BATCH = 300


@dataclass(frozen=True)
class Intent:
    """A certificate about to be signed; its serial's row stands already."""

    future: FutureCertificate
    serial: int


def waiting(authority: Authority) -> list[FutureCertificate]:
    """Return the next CSRs that this authority is to sign."""
    rows = FutureCertificate.objects.filter(authority=authority, state=FutureState.AWAITED)
    return list(rows.exclude(csr_pem="").select_related("device").order_by("pk")[:BATCH])


def sign_waiting(authority: Authority, *, now: datetime) -> int:
    """Sign one batch with the CA key held in memory; returns how many futures it settled."""
    futures = waiting(authority)
    if not futures:
        return 0
    issuer = vault.open_issuer(authority, now=now)
    intents = _intend(authority, futures)
    days = Zone.objects.the().server_certificate_days
    bridges = vault.bridges_above(authority)
    results = [(intent, *_sign(issuer, authority, intent, days, now)) for intent in intents]
    with transaction.atomic():
        for intent, pem, fault in results:
            _store(intent, pem, fault, bridges)
        made = sum(1 for _, pem, _ in results if pem)
        Entry.objects.record(
            "issue",
            f"certificates.Authority:{authority.pk}",
            note=f"{made} server certificates",
            detail={"serials": [f"{intent.serial:x}" for intent, pem, _ in results if pem]},
        )
    return len(results)


def _intend(authority: Authority, futures: list[FutureCertificate]) -> list[Intent]:
    intents = [Intent(future, issuing.make_serial()) for future in futures]
    Issued.objects.bulk_create(
        Issued(
            authority=authority,
            serial=f"{intent.serial:x}",
            purpose="server",
            device=intent.future.device,
            subject=(intent.future.order or {}).get("common_name", ""),
        )
        for intent in intents
    )
    return intents


def _sign(
    issuer: Issuer, authority: Authority, intent: Intent, days: int, now: datetime
) -> tuple[str, Fault | None]:
    """Sign one request; names come from the console's record, never from the CSR (S-13)."""
    order = intent.future.order or {}
    try:
        request = csr.read_csr(intent.future.csr_pem)
        prepared = issuer.prepare(
            public_key=request.public_key,
            subject=subject_of(order),
            names=names.Names(dns=tuple(order["dns_names"]), addresses=tuple(order["addresses"])),
            validity=issuing.server_validity(now, days, authority.root_pem),
            serial=intent.serial,
        )
        return issuer.issue(prepared), None
    except Fault as fault:
        log.warning("No certificate for %s: %s", intent.future.device, fault)
        return "", fault


def subject_of(order: dict[str, str]) -> names.Subject:
    """Return the subject that an order asks for."""
    wanted = ("organization", "organizational_unit", "locality", "state", "country")
    extra = {name: order[name] for name in wanted if order.get(name)}
    return names.Subject(common_name=order["common_name"], **extra)


def _store(intent: Intent, pem: str, fault: Fault | None, bridges: list[str]) -> None:
    rows = FutureCertificate.objects.filter(
        pk=intent.future.pk, state=FutureState.AWAITED, generation=intent.future.generation
    )
    if fault is not None:
        rows.update(state=FutureState.CREATE_FAILED, reason=fault.explanation, action=fault.action)
        return
    facts = details.describe(pem)
    Issued.objects.filter(serial=f"{intent.serial:x}").update(sha256=facts.digest)
    rows.update(
        state=FutureState.CREATED,
        chain_pem="".join([pem, *bridges]),
        digest=facts.digest,
        not_after=facts.not_after,
        reason="",
        action="",
    )


def sign_first(authority: Authority, key_pem: str, device: Device, *, now: datetime) -> str:
    """Sign the certificate of the zone's very first server, while the CA key is in hand."""
    order = order_for(device, key_length=keys.DEFAULT_KEY_LENGTH, include_dns=False)
    future = FutureCertificate(device=device, order=order, csr_pem=device.first_csr)
    intent = Intent(future, issuing.make_serial())
    row = Issued.objects.create(
        authority=authority,
        serial=f"{intent.serial:x}",
        purpose="server",
        device=device,
        subject=device.fqdn,
    )
    issuer = Issuer.open(authority.root_pem, key_pem, now)
    days = Zone.objects.the().server_certificate_days
    pem, fault = _sign(issuer, authority, intent, days, now)
    if fault is not None:
        raise fault
    row.sha256 = details.digest(pem)
    row.save(update_fields=["sha256"])
    return pem
