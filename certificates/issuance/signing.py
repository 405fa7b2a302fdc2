"""Sign pending CSRs in batches.

A worker claims a batch, so that other workers sign the CSRs after it. The serial numbers are stored
first, then all CSRs are signed, then the results are stored in one transaction.

See: D-306
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.models import Entry, RowAltered
from audit.rows import alarms, macs
from certificates.authority import key_store
from certificates.issuance import claims
from certificates.issuance.names import build_csr_parameters
from certificates.models import Authority, FutureCertificate, IssuedCertificate, WorkDuration
from certificates.operations.states import FutureState
from devices.models import Device, Zone
from devices.registration.server_names import NameIndex
from devices.registration.states import DeviceState
from faults import Fault
from pki import keys, names
from pki.certificates import details, issuance
from pki.certificates.issuance import Issuer
from pki.formats import csr

log = logging.getLogger(__name__)
BATCH = 500
Step = Callable[["Intent", Any], Any]


class Intent(NamedTuple):
    """A certificate to be signed, whose serial number has been stored.

    `device` is the key of the device in the format of the database.
    """

    key: int
    device: Any
    generation: int
    csr_pem: str
    parameters: dict[str, Any]
    serial: int
    is_authentic: bool = True


class Outcome(NamedTuple):
    """The result of the latest step for an intent, finally a certificate, or a fault."""

    intent: Intent
    result: Any
    fault: Fault | None = None


def list_pending_csrs() -> QuerySet[FutureCertificate]:
    """Return the CSRs of approved servers that are waiting to be signed by a CA."""
    rows = FutureCertificate.objects.filter(state=FutureState.AWAITED)
    return rows.filter(device__state=DeviceState.REGISTERED).exclude(csr_pem="")


def has_pending_csrs(authority: Authority) -> bool:
    """Return True if CSRs of approved servers are waiting to be signed by this CA."""
    return list_pending_csrs().filter(authority=authority).exists()


def sign_batch(authority: Authority, *, now: datetime) -> int:
    """Sign one batch of CSRs and return their number, including those that failed."""
    with claims.claim(authority, BATCH, now=now) as claimed:
        return _sign_claimed(authority, _load_intents(claimed), now) if claimed else 0


def _sign_claimed(authority: Authority, intents: list[Intent], now: datetime) -> int:
    """Sign CSRs, store the results in one transaction, and return the number of CSRs."""
    began = time.perf_counter()
    issuer = key_store.open_issuer(authority, now=now)
    days = Zone.objects.get_zone().server_certificate_days
    validity = issuance.get_server_validity(now, days, authority.root_pem)
    cross_certificates = "".join(key_store.get_cross_certificates(authority))
    _store_serials(authority, intents, now)
    outcomes = _sign(issuer, intents, validity)
    signed = [outcome for outcome in outcomes if outcome.fault is None]
    with transaction.atomic():
        Entry.objects.lock_checkpoint()
        _store_certificates(authority, signed, cross_certificates, (validity.not_after, now))
        for outcome in outcomes:
            if outcome.fault is not None:
                _record_failure(outcome.intent, outcome.fault)
        if signed:
            # Rejected CSRs need no entry. A server could repeat them without end.
            Entry.objects.record(
                "issue",
                f"certificates.Authority:{authority.pk}",
                note=f"server certificates: {len(signed)}",
                about=[f"devices.Device:{UUID(str(outcome.intent.device))}" for outcome in signed],
                detail={"serials": [f"{outcome.intent.serial:x}" for outcome in signed]},
            )
        WorkDuration.objects.add(WorkDuration.SIGNING, len(signed), time.perf_counter() - began)
    return len(outcomes)


# Plain SQL, because the overhead of the ORM is significant compared with a P-256 signature.
# Only placeholders are formatted into the statement. All values are parameters.
_SELECT_CLAIMED = """
SELECT id, device_id, generation, csr_pem, csr_parameters, operation_id, row_mac
FROM certificates_futurecertificate WHERE id IN ({keys}) ORDER BY id
"""
_INSERT_SERIAL = """
INSERT INTO certificates_issuedcertificate
  (authority_id, serial, purpose, device_id, subject, created_at, sha256)
VALUES (%s, %s, 'server', %s, %s, %s, '')
"""
_UPDATE_SERIAL = (
    "UPDATE certificates_issuedcertificate SET sha256 = %s WHERE authority_id = %s AND serial = %s"
)
# Rows that were canceled or requested again in the meantime are not changed.
_UPDATE_FUTURE = """
UPDATE certificates_futurecertificate
SET state = 'created', chain_pem = %s, digest = %s, not_after = %s, available_at = %s,
  reason = '', action = ''
WHERE id = %s AND state = 'awaited' AND generation = %s
"""


def _load_intents(claimed: list[int]) -> list[Intent]:
    """Return the claimed CSRs, each with a new serial number."""
    new_serial = issuance.generate_serial
    statement = _SELECT_CLAIMED.format(keys=", ".join(["%s"] * len(claimed)))
    with connection.cursor() as cursor:
        cursor.execute(statement, claimed)
        return [
            Intent(
                key,
                device,
                generation,
                pem,
                json.loads(text or "{}"),
                new_serial(),
                _is_authentic(device, operation, pem, mac),
            )
            for key, device, generation, pem, text, operation, mac in cursor.fetchall()
        ]


def _is_authentic(device: Any, operation: Any, csr_pem: str, mac: str) -> bool:
    """Return True if the server itself sent this CSR to the console (D-170)."""
    values = {
        "device": UUID(str(device)),
        "operation": UUID(str(operation)) if operation else None,
        "csr_pem": csr_pem,
    }
    return macs.is_valid(mac, FutureCertificate._meta.label, values)


def _store_serials(authority: Authority, intents: list[Intent], now: datetime) -> None:
    ca, at = _get_db_key(authority), connection.ops.adapt_datetimefield_value(now)
    rows = [
        (ca, f"{intent.serial:x}", intent.device, intent.parameters.get("common_name", ""), at)
        for intent in intents
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_INSERT_SERIAL, rows)


def _get_db_key(authority: Authority) -> Any:
    return Authority._meta.pk.get_db_prep_value(authority.pk, connection)


def _sign(issuer: Issuer, intents: list[Intent], validity: issuance.Validity) -> list[Outcome]:
    """Sign CSRs. The names come from the record of the server, not from the CSR.

    They are checked again, because another server might have got them since the request.
    Each step runs for the whole batch, which is a third faster than one CSR after the other.
    """
    index = NameIndex.load()
    devices = Device.objects.in_bulk({UUID(str(intent.device)) for intent in intents})
    altered = {pk for pk, device in devices.items() if not alarms.is_authentic(device)}

    def check_names(intent: Intent, _result: Any) -> None:
        if not intent.is_authentic or UUID(str(intent.device)) in altered:
            raise RowAltered(
                _(
                    "The CSR or the record of this server was changed in the database. "
                    "No certificate was issued."
                )
            )
        parameters = intent.parameters
        addresses = parameters["addresses"]
        dns_names = {parameters["common_name"], *parameters["dns_names"]} - {*addresses}
        index.check_certificate(UUID(str(intent.device)), sorted(dns_names), addresses)

    def prepare(intent: Intent, request: csr.CertificateRequest) -> issuance.Prepared:
        parameters = intent.parameters
        return issuer.prepare(
            public_key=request,
            subject=parse_subject(parameters),
            names=names.Names(
                dns=tuple(parameters["dns_names"]), addresses=tuple(parameters["addresses"])
            ),
            validity=validity,
            serial=intent.serial,
        )

    steps: tuple[Step, ...] = (
        check_names,
        lambda intent, _: csr.parse_csr(intent.csr_pem),
        prepare,
        lambda _, prepared: issuer.sign(prepared),
        lambda _, signed: issuer.check(signed),
    )
    outcomes = [Outcome(intent, None) for intent in intents]
    for step in steps:
        outcomes = [_run_step(step, outcome) for outcome in outcomes]
    return outcomes


def _run_step(step: Step, outcome: Outcome) -> Outcome:
    intent, result, fault = outcome
    if fault is not None:
        return outcome
    try:
        return Outcome(intent, step(intent, result))
    except Fault as refused:
        log.warning("Could not issue a certificate for device %s: %s", intent.device, refused)
        return Outcome(intent, None, refused)


def _store_certificates(
    authority: Authority,
    signed: list[Outcome],
    cross_certificates: str,
    times: tuple[datetime, datetime],
) -> None:
    """Store the certificates. `times` are the end of their validity and the current time."""
    ca = _get_db_key(authority)
    ends, at = (connection.ops.adapt_datetimefield_value(moment) for moment in times)
    notes, rows = [], []
    for intent, pem, _fault in signed:
        digest = details.get_digest(pem)
        notes.append((digest, ca, f"{intent.serial:x}"))
        rows.append((pem + cross_certificates, digest, ends, at, intent.key, intent.generation))
    with connection.cursor() as cursor:
        cursor.executemany(_UPDATE_SERIAL, notes)
        cursor.executemany(_UPDATE_FUTURE, rows)


def _record_failure(intent: Intent, fault: Fault) -> None:
    rows = FutureCertificate.objects.filter(
        pk=intent.key, state=FutureState.AWAITED, generation=intent.generation
    )
    rows.update(state=FutureState.CREATE_FAILED, reason=fault.explanation, action=fault.action)


def parse_subject(parameters: dict[str, str]) -> names.Subject:
    """Return the subject of CSR parameters."""
    optional = ("organization", "organizational_unit", "locality", "state", "country")
    extra = {name: parameters[name] for name in optional if parameters.get(name)}
    return names.Subject(common_name=parameters["common_name"], **extra)


def sign_initial_certificate(
    authority: Authority, key: keys.SigningKey, device: Device, *, now: datetime
) -> str:
    """Sign the certificate of the first server of a new zone and return it as PEM."""
    parameters = build_csr_parameters(device, key_length=keys.DEFAULT_KEY_LENGTH, include_dns=False)
    serial = issuance.generate_serial()
    row = IssuedCertificate.objects.create(
        authority=authority,
        serial=f"{serial:x}",
        purpose="server",
        device=device,
        subject=device.fqdn,
    )
    issuer = Issuer.open(authority.root_pem, key, now)
    days = Zone.objects.get_zone().server_certificate_days
    validity = issuance.get_server_validity(now, days, authority.root_pem)
    intent = Intent(0, device.pk, 0, device.initial_csr, parameters, serial)
    _, pem, fault = _sign(issuer, [intent], validity)[0]
    if fault is not None:
        raise fault
    row.sha256 = details.get_digest(pem)
    row.save(update_fields=["sha256"])
    return str(pem)
