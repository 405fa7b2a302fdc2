"""Sign waiting CSRs in batches: intents first, then signatures, then one transaction (S-4, P-1)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from audit.models import Entry
from certificates.authority import key_store
from certificates.issuance.names import order_for
from certificates.models import Authority, FutureCertificate, Issued, Tally
from certificates.operations.states import FutureState
from devices.models import Device, Zone
from faults import Fault
from pki import keys, names
from pki.certificates import details, issuance
from pki.certificates.issuance import Issuer
from pki.formats import csr

log = logging.getLogger(__name__)
BATCH = 500
Step = Callable[["Intent", Any], Any]


class Intent(NamedTuple):
    """A certificate about to be signed; its serial's row stands already.

    `device` is the device's key as the database gives and takes it.
    """

    key: int
    device: Any
    generation: int
    csr_pem: str
    order: dict[str, Any]
    serial: int


class Outcome(NamedTuple):
    """What has become of an intent so far, in the end a certificate; or a fault."""

    intent: Intent
    made: Any
    fault: Fault | None = None


def waits(authority: Authority) -> bool:
    """Tell whether CSRs wait for this authority's signature."""
    rows = FutureCertificate.objects.filter(authority=authority, state=FutureState.AWAITED)
    return rows.exclude(csr_pem="").exists()


def sign_waiting(authority: Authority, *, now: datetime) -> int:
    """Sign one batch with the CA key held in memory; returns how many futures it settled."""
    intents = _next(authority)
    if not intents:
        return 0
    began = time.perf_counter()
    issuer = key_store.open_issuer(authority, now=now)
    days = Zone.objects.the().server_certificate_days
    validity = issuance.server_validity(now, days, authority.root_pem)
    bridges = "".join(key_store.bridges_above(authority))
    _intend(authority, intents, now)
    outcomes = _sign(issuer, intents, validity)
    made = [outcome for outcome in outcomes if outcome.fault is None]
    with transaction.atomic():
        Entry.objects.queue()
        _store(authority, made, bridges, (validity.not_after, now))
        for outcome in outcomes:
            if outcome.fault is not None:
                _refuse(outcome.intent, outcome.fault)
        Entry.objects.record(
            "issue",
            f"certificates.Authority:{authority.pk}",
            note=f"{len(made)} server certificates",
            detail={"serials": [f"{outcome.intent.serial:x}" for outcome in made]},
        )
        Tally.objects.add(Tally.SIGNING, len(made), time.perf_counter() - began)
    return len(outcomes)


# Beside a P-256 signature every row of the ORM is felt (P-1): these take a batch each as plain
# values. Names of tables and columns are the models' own.
_WAITING = """
SELECT id, device_id, generation, csr_pem, "order" FROM certificates_futurecertificate
WHERE authority_id = %s AND state = 'awaited' AND csr_pem <> '' ORDER BY id LIMIT %s
"""
_INTEND = """
INSERT INTO certificates_issued
  (authority_id, serial, purpose, device_id, subject, created_at, sha256)
VALUES (%s, %s, 'server', %s, %s, %s, '')
"""
_NOTE = "UPDATE certificates_issued SET sha256 = %s WHERE authority_id = %s AND serial = %s"
# What was ordered anew in the meantime (a greater generation) or cancelled stays as it is.
_CREATED = """
UPDATE certificates_futurecertificate
SET state = 'created', chain_pem = %s, digest = %s, not_after = %s, made_at = %s,
  reason = '', action = ''
WHERE id = %s AND state = 'awaited' AND generation = %s
"""


def _next(authority: Authority) -> list[Intent]:
    """Return the next CSRs that this authority is to sign, each with a serial of its own."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [_key(authority), BATCH])
        return [
            Intent(key, device, generation, pem, json.loads(order or "{}"), issuance.make_serial())
            for key, device, generation, pem, order in cursor.fetchall()
        ]


def _intend(authority: Authority, intents: list[Intent], now: datetime) -> None:
    ca, at = _key(authority), connection.ops.adapt_datetimefield_value(now)
    rows = [
        (ca, f"{intent.serial:x}", intent.device, intent.order.get("common_name", ""), at)
        for intent in intents
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_INTEND, rows)


def _key(authority: Authority) -> Any:
    return Authority._meta.pk.get_db_prep_value(authority.pk, connection)


def _sign(issuer: Issuer, intents: list[Intent], validity: issuance.Validity) -> list[Outcome]:
    """Sign requests; names come from the console's record, never from the CSR (S-13).

    Step by step for all of them, not one after the other: measured, a step that is repeated at
    once takes two thirds of the time, because the processor still holds its code.
    """

    def prepare(intent: Intent, request: csr.Request) -> issuance.Prepared:
        order = intent.order
        return issuer.prepare(
            public_key=request,
            subject=subject_of(order),
            names=names.Names(dns=tuple(order["dns_names"]), addresses=tuple(order["addresses"])),
            validity=validity,
            serial=intent.serial,
        )

    steps: tuple[Step, ...] = (
        lambda intent, _: csr.read_csr(intent.csr_pem),
        prepare,
        lambda _, prepared: issuer.sign(prepared),
        lambda _, signed: issuer.check(signed),
    )
    outcomes = [Outcome(intent, None) for intent in intents]
    for step in steps:
        outcomes = [_after(step, outcome) for outcome in outcomes]
    return outcomes


def _after(step: Step, outcome: Outcome) -> Outcome:
    intent, made, fault = outcome
    if fault is not None:
        return outcome
    try:
        return Outcome(intent, step(intent, made))
    except Fault as refused:
        log.warning("No certificate for device %s: %s", intent.device, refused)
        return Outcome(intent, None, refused)


def _store(
    authority: Authority, made: list[Outcome], bridges: str, times: tuple[datetime, datetime]
) -> None:
    """Store what was signed; `times` are the end of its validity, and now."""
    ca = _key(authority)
    ends, at = (connection.ops.adapt_datetimefield_value(moment) for moment in times)
    notes, rows = [], []
    for intent, pem, _ in made:
        digest = details.digest(pem)
        notes.append((digest, ca, f"{intent.serial:x}"))
        rows.append((pem + bridges, digest, ends, at, intent.key, intent.generation))
    with connection.cursor() as cursor:
        cursor.executemany(_NOTE, notes)
        cursor.executemany(_CREATED, rows)


def _refuse(intent: Intent, fault: Fault) -> None:
    rows = FutureCertificate.objects.filter(
        pk=intent.key, state=FutureState.AWAITED, generation=intent.generation
    )
    rows.update(state=FutureState.CREATE_FAILED, reason=fault.explanation, action=fault.action)


def subject_of(order: dict[str, str]) -> names.Subject:
    """Return the subject that an order asks for."""
    wanted = ("organization", "organizational_unit", "locality", "state", "country")
    extra = {name: order[name] for name in wanted if order.get(name)}
    return names.Subject(common_name=order["common_name"], **extra)


def sign_first(authority: Authority, key: keys.SigningKey, device: Device, *, now: datetime) -> str:
    """Sign the certificate of the zone's very first server, while the CA key is in hand."""
    order = order_for(device, key_length=keys.DEFAULT_KEY_LENGTH, include_dns=False)
    serial = issuance.make_serial()
    row = Issued.objects.create(
        authority=authority,
        serial=f"{serial:x}",
        purpose="server",
        device=device,
        subject=device.fqdn,
    )
    issuer = Issuer.open(authority.root_pem, key, now)
    days = Zone.objects.the().server_certificate_days
    validity = issuance.server_validity(now, days, authority.root_pem)
    intent = Intent(0, device.pk, 0, device.first_csr, order, serial)
    _, pem, fault = _sign(issuer, [intent], validity)[0]
    if fault is not None:
        raise fault
    row.sha256 = details.digest(pem)
    row.save(update_fields=["sha256"])
    return str(pem)
