"""Start an operation: the order is checked and the operation stands, in one transaction."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from administrators.models import Rules
from audit.models import Entry
from certificates.authority.key_operations import initiating_server, live_primary
from certificates.issuance.names import check_common_name, check_names, order_for
from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations import requests
from certificates.operations import requests as operations_requests
from certificates.operations.activation_time import limits
from certificates.operations.states import OperationState
from devices.models import Device, Zone
from faults import Conflict, Invalid, Refused

Kind = Operation.Kind


class Busy(Conflict):
    """Another operation holds the certificates."""

    action = gettext_lazy("Wait until it ends, or cancel it. Nothing was changed.")


@transaction.atomic
def remint_ca(order: requests.RemintCA, *, by: User | None, key: UUID, now: datetime) -> Operation:
    """Start to replace the zone CA by a new one of the same server (manual, 1.2.9)."""
    order.check()
    known = _queue_up(key)
    if known:
        return known
    authority = Authority.objects.current()
    if not authority.is_internal or authority.certificate_server is None:
        raise Refused(_("The zone CA is external: it has no key here. Use Change CA."))
    return _start_ca(Kind.REMINT_CA, order, authority.certificate_server, by=by, key=key, now=now)


@transaction.atomic
def change_to_internal(
    order: requests.ChangeToInternal, *, by: User | None, key: UUID, now: datetime
) -> Operation:
    """Start to change the zone CA to an internal one (manual, 1.2.4)."""
    order.check()
    known = _queue_up(key)
    if known:
        return known
    server = live_primary(order.certificate_server, field="certificate_server", now=now)
    return _start_ca(Kind.CHANGE_CA, order, server, by=by, key=key, now=now)


@transaction.atomic
def adopt_ca(
    order: requests.AdoptCA, sealed_key: str, *, by: User | None, key: UUID, now: datetime
) -> Operation:
    """Start to change the zone CA to that of a backup (D-31).

    Its key is sealed to its server already; it waits in the order until the future CA is made.
    """
    order.check()
    known = _queue_up(key)
    if known:
        return known
    operations_requests.check_new_root(order.root_pem, now=order.activates_at or now)
    server = live_primary(order.certificate_server, field="certificate_server", now=now)
    operation = _start_ca(Kind.CHANGE_CA, order, server, by=by, key=key, now=now)
    operation.order["sealed_key"] = sealed_key
    operation.save(update_fields=["order"])
    return operation


@transaction.atomic
def change_to_external(
    order: requests.ChangeToExternal, *, by: User | None, key: UUID, now: datetime
) -> Operation:
    """Start to change the zone CA to an external one (manual, 1.2.4)."""
    order.check()
    known = _queue_up(key)
    if known:
        return known
    operations_requests.check_new_root(order.root_pem, now=order.activates_at or now)
    operations_requests.check_chain(
        order.root_pem, order.intermediates_pem, at=max(now, order.activates_at or now)
    )
    return _start_ca(Kind.CHANGE_CA, order, initiating_server(), by=by, key=key, now=now)


@transaction.atomic
def remint_servers(
    order: requests.RemintServers, *, by: User | None, key: UUID, now: datetime
) -> Operation:
    """Start to replace the certificates of some servers (manual, 1.3.2)."""
    order.check()
    known = _queue_up(key)
    if known:
        return known
    authority = Authority.objects.current()
    servers = list(Device.objects.certified().filter(pk__in=order.servers))
    if len(servers) != len(set(order.servers)):
        raise Invalid(
            _("One of the selected servers has no certificate of this zone any more."),
            field="servers",
        )
    refuse_while_pending(Kind.REMINT_SERVER, servers)
    limits(Kind.REMINT_SERVER, servers=servers, now=now).check(order.activates_at)
    check_names(servers, include_dns=order.include_dns)
    if order.common_name:
        check_common_name(order.common_name, servers)
    signing = authority.certificate_server if authority.is_internal else initiating_server()
    if signing is None:
        raise Refused(_("The zone has no certificate server."))
    operation = _create(
        Kind.REMINT_SERVER, order, signing, by=by, key=key, authority=authority, name=order.name
    )
    _expect(operation, order, servers, by_hand=order.by_hand and not authority.is_internal)
    return operation


def _queue_up(key: UUID) -> Operation | None:
    """Queue behind any act that excludes this one; the same key again is the same operation."""
    Zone.objects.lock()
    return Operation.objects.filter(idempotency_key=key).first()


def _start_ca(
    kind: str,
    order: requests.CAOrder,
    signing_server: Device,
    *,
    by: User | None,
    key: UUID,
    now: datetime,
) -> Operation:
    authority = Authority.objects.current()
    refuse_while_pending(kind)
    limits(kind, now=now).check(order.activates_at)
    servers = list(Device.objects.certified())
    check_names(servers, include_dns=order.include_dns)
    name = f"{Kind(kind).label} {now:%Y-%m-%d %H:%M}"
    operation = _create(kind, order, signing_server, by=by, key=key, authority=authority, name=name)
    by_hand = isinstance(order, requests.ChangeToExternal) and order.by_hand
    _expect(operation, order, servers, by_hand=by_hand)
    return operation


def refuse_while_pending(kind: str, servers: list[Device] | None = None) -> None:
    """Refuse what D-19 excludes: one CA operation at a time, server remints on disjoint sets."""
    pending = Operation.objects.blocking()
    of_ca = pending.of_ca().first()
    if of_ca is not None:
        raise Busy(_("%(kind)s is already in progress.") % {"kind": of_ca.get_kind_display()})
    if kind != Kind.REMINT_SERVER:
        of_servers = pending.of_servers().first()
        if of_servers is not None:
            raise Busy(
                _("A server remint is in progress: %(of_servers)s.")
                % {"of_servers": of_servers.name}
            )
        return
    taken = FutureCertificate.objects.open().filter(device__in=servers or [])
    for future in taken.select_related("device"):
        raise Busy(
            _("%(device)s already waits for a new certificate.") % {"device": future.device.name}
        )


def _create(
    kind: str,
    order: requests.Order,
    signing_server: Device,
    *,
    by: User | None,
    key: UUID,
    authority: Authority,
    name: str,
) -> Operation:
    plain = plain_order(order)
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                idempotency_key=key,
                kind=kind,
                state=_first_state(kind),
                name=name,
                order=plain,
                requested_by=by,
                authority=authority,
                signing_server=signing_server,
                activates_at=order.activates_at,
                immediate=order.activates_at is None,
            )
    except IntegrityError as error:
        raise Busy(_("Another operation on the zone CA was started at the same time.")) from error
    Entry.objects.record(
        "start",
        f"certificates.Operation:{operation.pk}",
        there=operation.state,
        note=name,
        detail={"kind": kind, "order": plain, "activates_at": str(order.activates_at)},
    )
    return operation


def _first_state(kind: str) -> str:
    """Return where an operation begins: one on the CA may need a second administrator (B-29)."""
    needs_two = kind != Kind.REMINT_SERVER and Rules.objects.the().two_administrators
    return OperationState.PROPOSED if needs_two else OperationState.PREPARING


def plain_order(order: requests.Order) -> dict[str, Any]:
    """Return an order as JSON, with the kind of CA it leads to."""
    plain = dataclasses.asdict(order)
    plain.pop("activates_at")
    plain.pop("servers", None)
    for name in ("certificate_server", "authority"):
        if name in plain:
            plain[name] = str(plain[name])
    plain["external"] = isinstance(order, requests.ChangeToExternal)
    return plain


def _expect(
    operation: Operation, order: requests.Order, servers: list[Device], *, by_hand: bool
) -> None:
    """Make the row of each server's future certificate; a server already waiting is refused."""
    extra: dict[str, object] = {}
    if isinstance(order, requests.ChangeToExternal | requests.RemintServers):
        extra = {name: value for name, value in vars(order.subject).items() if value}
    common_name = order.common_name if isinstance(order, requests.RemintServers) else ""
    rows = [
        FutureCertificate(
            device=server,
            operation=operation,
            order={
                **order_for(
                    server,
                    key_length=order.key_length,
                    include_dns=order.include_dns,
                    common_name=common_name,
                ),
                **extra,
            },
            by_hand=by_hand,
        )
        for server in servers
    ]
    if isinstance(order, requests.RemintServers):
        for row in rows:
            row.authority = operation.authority
    try:
        with transaction.atomic():
            FutureCertificate.objects.bulk_create(rows)
    except IntegrityError as error:
        raise Busy(_("One of the servers already waits for a new certificate.")) from error
