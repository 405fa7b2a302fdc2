"""Perform the steps of servers, devices, and administrators in a small zone."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from certificates.authority import key_store
from certificates.future_ca import subordinate
from certificates.issuance import imports, signing
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import creation, preparation, requests, scheduler
from faults import Fault
from pki.chains import chains
from tests.support.public_ca import PublicCA
from tests.support.zone import Host, TestZone
from wire import messages


def soon(**span: float) -> datetime:
    """Return a time in the future; ten minutes by default."""
    return timezone.now() + timedelta(**(span or {"minutes": 10}))


def join_server(zone: TestZone, name: str, role: str, address: str) -> Host:
    """Register a server that gets its initial certificate, and uses it."""
    host = zone.join(name, role, address)
    sign(zone, Authority.objects.current())
    certificate = FutureCertificate.objects.get(device=host.guid)
    host.refresh(server_certificate_sha256=certificate.digest)
    return host


def to_internal(server: Host, **changes: Any) -> Operation:
    """Return a request for Change CA to an internal CA on a server."""
    values: dict[str, Any] = {
        "certificate_server": UUID(server.id),
        "subject": "NEW-CA",
        "key_length": 256,
        "years": 10,
        "include_dns": False,
        "activates_at": soon(),
    }
    order = requests.ChangeToInternalRequest(**{**values, **changes})
    return creation.change_to_internal(order, by=None, key=uuid4(), now=timezone.now())


def to_subordinate(server: Host, **changes: Any) -> Operation:
    """Return a request for Change CA to a subordinate CA on a server."""
    values: dict[str, Any] = {
        "certificate_server": UUID(server.id),
        "subject": "CN=Zone CA,O=Acme",
        "key_length": 256,
        "include_dns": False,
        "activates_at": soon(),
    }
    order = requests.ChangeToSubordinateRequest(**{**values, **changes})
    return creation.change_to_internal(order, by=None, key=uuid4(), now=timezone.now())


def import_ca(operation: Operation, ca: PublicCA, **given: Any) -> list[str]:
    """Have the CSR of the new CA signed by another CA and import the chain, which is returned."""
    chain = ca.certify(subordinate.get_csr(fresh(operation)), **given)
    subordinate.import_file(fresh(operation), "".join(chain).encode(), now=timezone.now())
    return chain


def to_external(ca: PublicCA, **changes: Any) -> Operation:
    """Return a request for Change CA to an external CA."""
    values: dict[str, Any] = {
        "root_pem": ca.root.pem,
        "intermediates_pem": "".join(ca.chain),
        "manual_csr": False,
        "key_length": 256,
        "include_dns": False,
        "activates_at": soon(),
    }
    order = requests.ChangeToExternalRequest(**{**values, **changes})
    return creation.change_to_external(order, by=None, key=uuid4(), now=timezone.now())


def take_over(zone: TestZone, root_pem: str, key_pem: str, **changes: Any) -> Operation:
    """Return a request for Change CA to a CA from a backup, whose key is on the first server."""
    server, authority = zone.device(zone.first), uuid4()
    values: dict[str, Any] = {
        "certificate_server": server.pk,
        "root_pem": root_pem,
        "intermediates_pem": "",
        "authority": authority,
        "key_length": 256,
        "include_dns": False,
        "activates_at": soon(),
    }
    order = requests.TakeOverCARequest(**{**values, **changes})
    sealed = key_store.seal(key_pem, authority_id=authority, server=server)
    return creation.take_over_ca(order, sealed, by=None, key=uuid4(), now=timezone.now())


def remint_ca_request(**changes: Any) -> requests.RemintCARequest:
    """Return a request for Remint CA."""
    values: dict[str, Any] = {
        "common_name": "TEST-ZONE",
        "key_length": 256,
        "years": 10,
        "include_dns": False,
        "activates_at": soon(),
    }
    return requests.RemintCARequest(**{**values, **changes})


def remint_ca(**changes: Any) -> Operation:
    """Create an operation Remint CA."""
    order = remint_ca_request(**changes)
    return creation.remint_ca(order, by=None, key=uuid4(), now=timezone.now())


def remint_servers(*hosts: Host, **changes: Any) -> Operation:
    """Return a request for Remint Certificate."""
    values: dict[str, Any] = {
        "servers": tuple(UUID(host.id) for host in hosts),
        "common_name": "",
        "key_length": 256,
        "include_dns": False,
        "activates_at": soon(),
        "name": "Remint",
    }
    order = requests.RemintServersRequest(**{**values, **changes})
    return creation.remint_servers(order, by=None, key=uuid4(), now=timezone.now())


def fresh(operation: Operation) -> Operation:
    """Return an operation with its current row."""
    return Operation.objects.get(pk=operation.pk)


def primaries(zone: TestZone) -> list[Host]:
    """Return the hosts that are Primary Servers."""
    return [host for host in zone.hosts.values() if host.role == messages.PRIMARY]


def prepare(zone: TestZone, operation: Operation, *, now: datetime | None = None) -> list[str]:
    """Take every preparation step on the server that has the key; return who did what."""
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
    """Advance an operation once at a time relative to now."""
    operation = fresh(operation)
    scheduler.advance(operation, now=timezone.now() + timedelta(**later))
    return fresh(operation)


def replicate(zone: TestZone, operation: Operation) -> None:
    """Mark the content as available on every content server."""
    update = fresh(operation).update
    assert update is not None
    for host in zone.hosts.values():
        if host.role in messages.CONTENT_ROLES:
            host.refresh(stored_content=update.digests())


def apply(zone: TestZone, operation: Operation, *, csr: bool = True) -> None:
    """Let every host apply the update when it is offered; servers send their CSR."""
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
    """Sign all pending requests on the certificate server."""
    holder = next(h for h in primaries(zone) if h.id == str(authority.certificate_server_id))
    with zone.on(holder):
        signing.sign_batch(Authority.objects.get(pk=authority.pk), now=timezone.now())


def import_all(operation: Operation, ca: PublicCA, form: str = "p7b") -> None:
    """Have every CSR of an operation signed externally and import the certificates."""
    for future in operation.futures.open().select_related("device", "authority", "operation"):
        names = {"dns": [future.device.fqdn], "addresses": future.device.addresses}
        data = ca.answer(future.csr_pem, form, **names)
        imports.import_file(future, data, now=timezone.now())


def activated(zone: TestZone, operation: Operation, hosts: Iterable[Host] | None = None) -> None:
    """Report the activation of some hosts, or of all."""
    for host in list(zone.hosts.values()) if hosts is None else hosts:
        host.report(str(operation.update_id), messages.ACTIVATED)


def cut_over(zone: TestZone, operation: Operation) -> Operation:
    """Bring an assigned operation with all its certificates to completion."""
    assert step(operation, minutes=9, seconds=45).state == "activating"
    assert step(operation, minutes=11).state == "activated"
    activated(zone, fresh(operation))
    return step(operation, minutes=11)


def verified_by(*stores: list[str]) -> list[bool]:
    """Return for each set of roots whether every server's chain verifies with it."""
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
