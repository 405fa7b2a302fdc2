"""Revoke certificates of servers, and of hosts without an agent.

A revocation is permanent. Devices receive that of a server with the signed trust list, and reject
the certificate from then on. A server that uses it gets a certificate with a new key.

See: RFC 5280 5.3.1; D-264, D-265, D-332
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.models import (
    Authority,
    FutureCertificate,
    Revocation,
    ServerCertificate,
)
from certificates.operations.distribution import announce_trust_change
from certificates.operations.states import READY
from certificates.revocation import host_certificates, records, replacement
from devices.models import Device, Zone
from devices.registration.states import DeviceState
from faults import Conflict
from pki.certificates import details
from pki.chains import chains
from pki.formats import bundles
from zac.trust.signed_part import get_signed_part_digest

Reason = Revocation.Reason


class IssuedLeaf(NamedTuple):
    """A certificate to be revoked: the server it was issued to, its CA, and the PEM text.

    `device` is None for the certificate of a host without an agent.
    """

    device: Device | None
    authority: Authority
    pem: str


def get_obstacle(certificate: ServerCertificate, *, now: datetime) -> str:
    """Return why a certificate cannot be revoked, "" if it can."""
    if certificate.revocation is not None:
        return _("This certificate has already been revoked.")
    if certificate.has_expired(now):
        return _("This certificate has expired. Devices do not accept it.")
    return ""


@transaction.atomic
def revoke(
    certificate: ServerCertificate, reason: str, *, by: User | None, now: datetime
) -> Revocation:
    """Revoke a current or previous certificate of a server. Raises Conflict if impossible.

    If the server uses it, a new certificate is requested in the same transaction.
    """
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    obstacle = get_obstacle(certificate, now=now)
    if obstacle:
        raise Conflict(_("%(reason)s Nothing was changed.") % {"reason": obstacle})
    leaf = chains.split(certificate.chain_pem)[0]
    issued = IssuedLeaf(certificate.device, certificate.authority, leaf)
    revocation = _record(issued, reason, by=by, now=now)
    replacement.request_replacements(now=now, only=certificate.device)
    announce_trust_change()
    return revocation


@transaction.atomic
def revoke_of_host(
    issued: IssuedLeaf, reason: str, *, host: tuple[str, str], by: User | None, now: datetime
) -> Revocation:
    """Revoke a certificate of a host without an agent.

    `host` is the key of the certificate, and its first name. `by` is the administrator, None if
    its ACME client requests it.
    """
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    if Revocation.objects.filter(digest=details.get_digest(issued.pem)).exists():
        raise Conflict(_("This certificate has already been revoked. Nothing was changed."))
    key, name = host
    revocation = _store(issued, reason, by=by, now=now)
    records.record(revocation, f"{records.HOST}{key}", name)
    if host_certificates.select_for_devices([revocation]):
        announce_trust_change()
    return revocation


def revoke_of_retired_devices(*, now: datetime) -> int:
    """Revoke the certificates of retired devices, and return their number.

    It runs periodically: a device is retired in a layer that knows no certificates.
    """
    found = _list_of_retired(now)
    if not found:
        return 0
    with transaction.atomic():
        Zone.objects.lock()
        Entry.objects.lock_checkpoint()
        for issued in _list_of_retired(now):
            _record(issued, Reason.CESSATION, by=None, now=now)
        announce_trust_change()
    return len(found)


def list_certificates_of_retired(
    now: datetime,
) -> tuple[QuerySet[ServerCertificate], QuerySet[FutureCertificate]]:
    """Return the used and the new certificates of retired devices that are not revoked."""
    revoked = Revocation.objects.values("digest")
    alive: dict[str, Any] = {"device__state": DeviceState.RETIRED, "not_after__gt": now}
    used = ServerCertificate.objects.filter(**alive).exclude(digest__in=revoked)
    new = FutureCertificate.objects.filter(**alive, state__in=READY, authority__isnull=False)
    return used, new.exclude(digest__in=revoked)


def _list_of_retired(now: datetime) -> list[IssuedLeaf]:
    used, new = list_certificates_of_retired(now)
    rows: list[ServerCertificate | FutureCertificate] = [
        *used.select_related("device", "authority"),
        *new.select_related("device", "authority"),
    ]
    leaves = {row.digest: (row, chains.split(row.chain_pem)[0]) for row in rows}
    return [
        IssuedLeaf(row.device, row.authority, leaf)
        for row, leaf in leaves.values()
        if row.authority is not None
    ]


def _record(issued: IssuedLeaf, reason: str, *, by: User | None, now: datetime) -> Revocation:
    """Revoke the certificate of a server, and record it."""
    revocation = _store(issued, reason, by=by, now=now)
    if issued.device is not None:
        records.record(revocation, f"{records.DEVICE}{issued.device.pk}", issued.device.name)
    return revocation


def _store(issued: IssuedLeaf, reason: str, *, by: User | None, now: datetime) -> Revocation:
    facts = details.get_details(issued.pem)
    return Revocation.objects.create(
        authority=issued.authority,
        device=issued.device,
        subject=facts.common_name[:253],
        serial=facts.serial_hex,
        digest=facts.digest,
        signed_part=get_signed_part_digest(bundles.to_der(issued.pem)),
        not_after=facts.not_after,
        reason=reason,
        revoked_at=now,
        revoked_by=by.get_username() if by is not None else "",
    )
