"""Renew server certificates of an internal CA before they expire, by an ordinary remint (D-50)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from certificates.limits import limits
from certificates.machine import OperationState
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import orders, starting
from devices.models import Device, Zone
from faults import Fault

log = logging.getLogger(__name__)
NAME = "Automatic renewal"
# An administrator who cancels a renewal is not overruled for this long.
RESPITE = timedelta(days=1)


def due(now: datetime) -> list[Device]:
    """Return the servers whose certificate ends within the renewal time and is not replaced yet."""
    zone, authority = Zone.objects.the(), Authority.objects.current()
    soon = now + timedelta(days=zone.renewal_days)
    if not zone.renews_by_itself or not authority.is_internal or authority.not_after <= soon:
        return []
    if Operation.objects.blocking().of_ca().exists():
        return []
    rows = ServerCertificate.objects.current().filter(not_after__lte=soon, not_after__gt=now)
    waiting = FutureCertificate.objects.open().values("device")
    servers = Device.objects.certified().filter(pk__in=rows.values("device"))
    return list(servers.exclude(pk__in=waiting).exclude(pk__in=_spared(now)))


def _spared(now: datetime) -> set[UUID]:
    cancelled = Operation.objects.of_servers().filter(
        name__startswith=NAME, state=OperationState.CANCELLED, ended_at__gt=now - RESPITE
    )
    return set(
        FutureCertificate.objects.filter(operation__in=cancelled).values_list("device", flat=True)
    )


def renew(servers: list[Device], *, now: datetime) -> Operation | None:
    """Start the remint, with the suggested activation time; None (and a log line) if refused."""
    certificates = ServerCertificate.objects.current().filter(device__in=servers)
    length = certificates.order_by("-key_length").values_list("key_length", flat=True).first()
    try:
        allowed = limits(Operation.Kind.REMINT_SERVER, servers=servers, now=now)
        order = orders.RemintServers(
            servers=tuple(server.pk for server in servers),
            common_name="",
            key_length=length or 256,
            include_dns=True,
            activates_at=allowed.suggestion,
            name=f"{NAME} {now:%Y-%m-%d %H:%M}",
        )
        return starting.remint_servers(order, by=None, key=uuid4(), now=now)
    except Fault as fault:
        log.warning("The automatic renewal could not start: %s", fault)
        return None
