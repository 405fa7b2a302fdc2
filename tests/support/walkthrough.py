"""Play the parts of servers, devices and administrators in a small zone, step by step."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from certificates.issuance import imports, signing
from certificates.models import Authority, Operation, ServerCertificate
from certificates.operations import creation, preparation, requests, scheduler
from faults import Fault
from pki.chains import chains
from tests.support.public_ca import PublicCA
from tests.support.zone import Host, TestZone
from wire import messages


def soon(**span: float) -> datetime:
    """Return a time from now on; ten minutes if nothing is said."""
    return timezone.now() + timedelta(**(span or {"minutes": 10}))


def to_internal(server: Host, **changes: Any) -> Operation:
    """Order a Change CA to an internal CA on a server."""
    values: dict[str, Any] = {
        "certificate_server": UUID(server.id),
        "subject": "NEW-CA",
        "key_length": 256,
        "years": 10,
        "include_dns": False,
        "activates_at": soon(),
    }
    order = requests.ChangeToInternal(**{**values, **changes})
    return creation.change_to_internal(order, by=None, key=uuid4(), now=timezone.now())


def to_external(ca: PublicCA, **changes: Any) -> Operation:
    """Order a Change CA to an external CA."""
    values: dict[str, Any] = {
        "root_pem": ca.root.pem,
        "intermediates_pem": "".join(ca.chain),
        "by_hand": False,
        "key_length": 256,
        "include_dns": False,
        "activates_at": soon(),
    }
    order = requests.ChangeToExternal(**{**values, **changes})
    return creation.change_to_external(order, by=None, key=uuid4(), now=timezone.now())


def remint_ca(**changes: Any) -> Operation:
    """Order a Remint CA."""
    values: dict[str, Any] = {
        "common_name": "TEST-ZONE",
        "key_length": 256,
        "years": 10,
        "include_dns": False,
        "activates_at": soon(),
    }
    order = requests.RemintCA(**{**values, **changes})
    return creation.remint_ca(order, by=None, key=uuid4(), now=timezone.now())


def remint_servers(*hosts: Host, **changes: Any) -> Operation:
    """Order a Remint Certificate."""
    values: dict[str, Any] = {
        "servers": tuple(UUID(host.id) for host in hosts),
        "common_name": "",
        "key_length": 256,
        "include_dns": False,
        "activates_at": soon(),
        "name": "Remint",
    }
    order = requests.RemintServers(**{**values, **changes})
    return creation.remint_servers(order, by=None, key=uuid4(), now=timezone.now())


def fresh(operation: Operation) -> Operation:
    """Return an operation as its row stands now."""
    return Operation.objects.get(pk=operation.pk)


def primaries(zone: TestZone) -> list[Host]:
    """Return the hosts that are Primary Servers."""
    return [host for host in zone.hosts.values() if host.role == messages.PRIMARY]


def prepare(zone: TestZone, operation: Operation, *, now: datetime | None = None) -> list[str]:
    """Take every step of a preparation where its key is; return who did what."""
    done: list[str] = []
    names = {UUID(host.id): host for host in primaries(zone)}
    while True:
        operation = fresh(operation)
        found = preparation.next_step(operation, now or timezone.now())
        if found is None:
            return done
        host = names[found[0]]
        with zone.on(host):
            assert preparation.prepare(operation, now=now or timezone.now())
        done.append(f"{host.name} {found[1].__name__.strip('_')}")


def step(operation: Operation, **later: float) -> Operation:
    """Advance an operation once, some time from now."""
    operation = fresh(operation)
    scheduler.advance(operation, now=timezone.now() + timedelta(**later))
    return fresh(operation)


def replicate(zone: TestZone, operation: Operation) -> None:
    """Let every content server hold the content."""
    update = fresh(operation).update
    assert update is not None
    for host in zone.hosts.values():
        if host.role in messages.CONTENT_ROLES:
            host.refresh(holds=update.digests())


def apply(zone: TestZone, operation: Operation, *, csr: bool = True) -> None:
    """Let every host apply the update, as its wave is offered it; servers send their CSR."""
    update = str(fresh(operation).update_id)
    waiting = set(zone.hosts)
    while waiting:
        offered = {name for name in waiting if _has(zone.hosts[name].refresh(), update)}
        assert offered, f"the update is offered to none of {waiting}"
        for name in offered:
            host = zone.hosts[name]
            if csr and host.role in messages.CERTIFIED_ROLES:
                host.request_certificate(update)
            host.report(update, messages.APPLIED)
        waiting -= offered
        step(operation)


def _has(answer: dict[str, Any], update: str) -> bool:
    return any(update in _payload(one) for one in answer.get("updates", []))


def _payload(envelope: dict[str, str]) -> str:
    return base64.b64decode(envelope["payload"]).decode()


def sign(zone: TestZone, authority: Authority) -> None:
    """Let the certificate server sign what waits."""
    holder = next(h for h in primaries(zone) if h.id == str(authority.certificate_server_id))
    with zone.on(holder):
        signing.sign_waiting(Authority.objects.get(pk=authority.pk), now=timezone.now())


def import_all(operation: Operation, ca: PublicCA, form: str = "p7b") -> None:
    """Have every CSR of an operation signed outside and import what came back."""
    for future in operation.futures.open().select_related("device", "authority", "operation"):
        names = {"dns": [future.device.fqdn], "addresses": future.device.addresses}
        data = ca.answer(future.csr_pem, form, **names)
        imports.import_one(future, data, now=timezone.now())


def activated(zone: TestZone, operation: Operation, hosts: Iterable[Host] | None = None) -> None:
    """Report from hosts (or all) that they have activated."""
    for host in list(zone.hosts.values()) if hosts is None else hosts:
        host.report(str(operation.update_id), messages.ACTIVATED)


def cut_over(zone: TestZone, operation: Operation) -> Operation:
    """Bring an assigned operation with all its certificates to its end."""
    assert step(operation, minutes=9, seconds=45).state == "activating"
    assert step(operation, minutes=11).state == "activated"
    activated(zone, fresh(operation))
    return step(operation, minutes=11)


def verified_by(*stores: list[str]) -> list[bool]:
    """Tell for each store of roots whether every server's chain verifies with it."""
    return [
        all(_verifies(row, roots) for row in ServerCertificate.objects.current())
        for roots in stores
    ]


def _verifies(row: ServerCertificate, roots: list[str]) -> bool:
    try:
        chains.verify_chain(row.chain_pem, roots=roots, host=row.subject, now=timezone.now())
    except Fault:
        return False
    return True
