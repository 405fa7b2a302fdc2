"""Renew server certificates of an internal CA before they expire, by an ordinary remint (D-50)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from certificates.issuance.names import has_names
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.models.operation import OperationQuerySet
from certificates.operations import creation, requests
from certificates.operations.activation_time import limits
from certificates.operations.states import OperationState
from devices.models import Device, Zone
from faults import Fault
from wire import messages

log = logging.getLogger(__name__)
NAME = "Automatic renewal"
# An administrator who cancels a renewal is not overruled for this long.
RESPITE = timedelta(days=1)


def due(now: datetime) -> list[Device]:
    """Return the servers whose certificate ends within the renewal time and is not replaced yet.

    Those that are silent or have no sound name are left for later: they would block the others.
    """
    zone, authority = Zone.objects.the(), Authority.objects.current()
    soon = now + timedelta(days=zone.renewal_days)
    if not _renews(zone, authority) or authority.not_after <= soon:
        return []
    if Operation.objects.blocking().of_ca().exists():
        return []
    rows = ServerCertificate.objects.current().filter(not_after__lte=soon, not_after__gt=now)
    waiting = FutureCertificate.objects.open().values("device")
    servers = Device.objects.certified().filter(pk__in=rows.values("device"))
    found = servers.exclude(pk__in=waiting).exclude(pk__in=_spared(now))
    return [one for one in found if one.is_live(now, zone.refresh) and has_names(one)]


def _renews(zone: Zone, authority: Authority) -> bool:
    return zone.renews_by_itself and authority.is_internal


def _spared(now: datetime) -> set[UUID]:
    cancelled = _renewals().filter(state=OperationState.CANCELLED, ended_at__gt=now - RESPITE)
    return set(
        FutureCertificate.objects.filter(operation__in=cancelled).values_list("device", flat=True)
    )


def _renewals() -> OperationQuerySet:
    return Operation.objects.of_servers().filter(name__startswith=NAME, requested_by=None)


def is_renewal(operation: Operation) -> bool:
    """Tell whether an operation began by itself."""
    return operation.requested_by_id is None and operation.name.startswith(NAME)


def next_at(now: datetime, until: datetime) -> tuple[datetime, str] | None:
    """Return when the next renewal begins by itself, and for which server, to be seen coming.

    None where nothing is to be renewed, or nothing that ends before `until`.
    """
    zone, authority = Zone.objects.the(), Authority.objects.filter(state="current").first()
    if authority is None or not _renews(zone, authority):
        return None
    shown = ServerCertificate.objects.current().filter(
        device__state="registered",
        device__role__in=messages.CERTIFIED_ROLES,
        not_after__gt=now,
        not_after__lt=until,
    )
    replaced = FutureCertificate.objects.open().values("device")
    first = (
        shown.exclude(device__in=replaced).select_related("device").order_by("not_after").first()
    )
    if first is None or first.not_after >= authority.not_after:
        return None
    return max(first.not_after - timedelta(days=zone.renewal_days), now), first.device.name


def renew(servers: list[Device], *, now: datetime) -> Operation | None:
    """Start the remint, with the suggested activation time; None (and a log line) if refused."""
    certificates = ServerCertificate.objects.current().filter(device__in=servers)
    length = certificates.order_by("-key_length").values_list("key_length", flat=True).first()
    try:
        allowed = limits(Operation.Kind.REMINT_SERVER, servers=servers, now=now)
        order = requests.RemintServers(
            servers=tuple(server.pk for server in servers),
            common_name="",
            key_length=length or 256,
            include_dns=True,
            activates_at=allowed.suggestion,
            name=f"{NAME} {now:%Y-%m-%d %H:%M}",
        )
        return creation.remint_servers(order, by=None, key=uuid4(), now=now)
    except Fault as fault:
        log.warning("The automatic renewal could not start: %s", fault)
        return None
