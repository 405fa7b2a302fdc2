"""Start an operation: the order is checked and the operation stands, in one transaction."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from certificates.limits import limits
from certificates.models import Authority, FutureCertificate, Operation
from certificates.naming import check_names, order_for
from certificates.operations import orders
from devices import keyring
from devices.models import Device, Zone
from faults import Conflict, Refused
from ledger.models import Entry

Kind = Operation.Kind


class Busy(Conflict):
    """Another operation holds the certificates."""

    action = "Wait until it ends, or cancel it. Nothing was changed."


@transaction.atomic
def remint_ca(order: orders.RemintCA, *, by: User | None, key: UUID, now: datetime) -> Operation:
    """Start to replace the zone CA by a new one of the same server (manual, 1.2.9)."""
    order.check()
    Zone.objects.lock()
    known = _known(key)
    if known:
        return known
    authority = Authority.objects.current()
    if not authority.is_internal or authority.certificate_server is None:
        raise Refused("The zone CA is external: it has no key here. Use Change CA.")
    refuse_while_pending(Kind.REMINT_CA)
    limits(Kind.REMINT_CA, now=now).check(order.activates_at)
    servers = list(Device.objects.certified())
    check_names(servers, include_dns=order.include_dns)
    operation = _create(
        kind=Kind.REMINT_CA,
        order=order,
        key=key,
        by=by,
        authority=authority,
        signing_server=authority.certificate_server,
        name=f"Remint CA {now:%Y-%m-%d %H:%M}",
    )
    expect_certificates(
        operation, servers, key_length=order.key_length, include_dns=order.include_dns
    )
    return operation


def _known(key: UUID) -> Operation | None:
    return Operation.objects.filter(idempotency_key=key).first()


def refuse_while_pending(kind: str, servers: list[Device] | None = None) -> None:
    """Refuse what D-19 excludes: one CA operation at a time, server remints on disjoint sets."""
    pending = Operation.objects.blocking()
    of_ca = pending.of_ca().first()
    if of_ca is not None:
        raise Busy(f"{of_ca.get_kind_display()} is already in progress.")
    if kind != Kind.REMINT_SERVER:
        of_servers = pending.of_servers().first()
        if of_servers is not None:
            raise Busy(f"A server remint is in progress: {of_servers.name}.")
        return
    taken = FutureCertificate.objects.open().filter(device__in=servers or [])
    for future in taken.select_related("device"):
        raise Busy(f"{future.device.name} already waits for a new certificate.")


def _create(  # one keyword per column of the row
    *,
    kind: str,
    order: orders.RemintCA | orders.RemintServers,
    key: UUID,
    by: User | None,
    authority: Authority,
    signing_server: Device,
    name: str,
) -> Operation:
    plain: dict[str, Any] = dataclasses.asdict(order)
    activates_at = plain.pop("activates_at")
    plain.pop("servers", None)
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                idempotency_key=key,
                kind=kind,
                name=name,
                order=plain,
                requested_by=by,
                authority=authority,
                signing_server=signing_server,
                activates_at=activates_at,
                immediate=activates_at is None,
            )
    except IntegrityError as error:
        raise Busy("Another operation on the zone CA was started at the same time.") from error
    Entry.objects.record(
        "start",
        f"certificates.Operation:{operation.pk}",
        there=operation.state,
        note=name,
        detail={"kind": kind, "order": plain, "activates_at": str(activates_at)},
    )
    return operation


def expect_certificates(
    operation: Operation,
    servers: list[Device],
    *,
    key_length: int,
    include_dns: bool,
    by_hand: bool = False,
    subject: dict[str, str] | None = None,
) -> None:
    """Make the row of each server's future certificate; a server already waiting is refused."""
    rows = [
        FutureCertificate(
            device=server,
            operation=operation,
            order={
                **order_for(server, key_length=key_length, include_dns=include_dns),
                **(subject or {}),
            },
            by_hand=by_hand,
        )
        for server in servers
    ]
    try:
        with transaction.atomic():
            FutureCertificate.objects.bulk_create(rows)
    except IntegrityError as error:
        raise Busy("One of the servers already waits for a new certificate.") from error


def initiating_server() -> Device:
    """Return the Primary Server whose console this is (D-21)."""
    return keyring.here().server()
