"""Automatic renewal: remint server certificates of an internal CA before they expire (D-50)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from certificates.issuance.names import select_with_names
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.models.operation import OperationQuerySet
from certificates.operations import creation, requests
from certificates.operations.activation_time import get_limits
from certificates.operations.states import OperationState
from certificates.windows import renewals
from devices.models import Device, Zone
from faults import Fault
from wire import messages

log = logging.getLogger(__name__)
OPERATION_NAME = "Automatic renewal"
# After an administrator cancels a renewal, these servers are not renewed for this time.
CANCELED_PAUSE = timedelta(days=1)


def list_due_servers(now: datetime) -> list[Device]:
    """Return the servers whose certificate must be renewed now.

    Servers without recent contact or with invalid names are excluded, because they would block
    the renewal of the others. So are servers whose maintenance window opens later.
    """
    zone, authority = Zone.objects.get_zone(), Authority.objects.current()
    soon = now + timedelta(days=zone.renewal_days)
    if not _is_enabled(zone, authority) or authority.not_after <= soon:
        return []
    if Operation.objects.blocking().of_ca().exists():
        return []
    rows = ServerCertificate.objects.current().filter(not_after__lte=soon, not_after__gt=now)
    waiting = FutureCertificate.objects.open().values("device")
    servers = Device.objects.certified().filter(pk__in=rows.values("device"))
    found = servers.exclude(pk__in=waiting).exclude(pk__in=_list_recently_canceled(now))
    due = select_with_names(one for one in found if one.is_online(now, zone.refresh))
    if not due:
        return []
    limits = get_limits(Operation.Kind.REMINT_SERVER, servers=due, now=now)
    return renewals.select_startable(due, limits)


def _is_enabled(zone: Zone, authority: Authority) -> bool:
    return zone.automatic_renewal and authority.is_internal


def _list_recently_canceled(now: datetime) -> set[UUID]:
    canceled = _get_renewals().filter(
        state=OperationState.CANCELED, ended_at__gt=now - CANCELED_PAUSE
    )
    return set(
        FutureCertificate.objects.filter(operation__in=canceled).values_list("device", flat=True)
    )


def _get_renewals() -> OperationQuerySet:
    return Operation.objects.of_servers().filter(name__startswith=OPERATION_NAME, requested_by=None)


def is_renewal(operation: Operation) -> bool:
    """Return True if the operation was started automatically."""
    return operation.requested_by_id is None and operation.name.startswith(OPERATION_NAME)


def get_next_renewal(now: datetime, until: datetime) -> tuple[datetime, str] | None:
    """Return the time and the server of the next automatic renewal.

    Return None if no certificate that expires before `until` will be renewed.
    """
    zone, authority = Zone.objects.get_zone(), Authority.objects.filter(state="current").first()
    if authority is None or not _is_enabled(zone, authority):
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


def start_renewal(servers: list[Device], *, now: datetime) -> Operation | None:
    """Start a remint at the suggested activation time. Log a warning and return None on a fault.

    If a certificate would expire before the next maintenance window closes, the remint does not
    wait for the window.
    """
    certificates = ServerCertificate.objects.current().filter(device__in=servers)
    length = certificates.order_by("-key_length").values_list("key_length", flat=True).first()
    try:
        allowed = get_limits(Operation.Kind.REMINT_SERVER, servers=servers, now=now)
        activates_at, override = renewals.plan(servers, allowed)
        request = requests.RemintServersRequest(
            servers=tuple(server.pk for server in servers),
            common_name="",
            key_length=length or 256,
            include_dns=True,
            activates_at=activates_at,
            window_override=override,
            name=f"{OPERATION_NAME} {now:%Y-%m-%d %H:%M:%S} UTC",
        )
        return creation.remint_servers(request, by=None, key=uuid4(), now=now)
    except Fault as fault:
        log.warning("Automatic renewal could not be started: %s", fault)
        return None
