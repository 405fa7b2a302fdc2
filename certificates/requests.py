"""Certification requests of servers: what to ask for, what came in, what goes back (D-16)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from certificates.machine import READY, FutureState
from certificates.models import Authority, FutureCertificate
from certificates.naming import order_for
from devices.models import Device
from faults import Conflict, NotFound
from pki import csr, keys
from wire import messages

State = FutureState
FIRST = "first"


def future_of(device: Device, update_id: str) -> FutureCertificate:
    """Return a server's future certificate of one update, or its first one (`FIRST`)."""
    rows = FutureCertificate.objects.open().filter(device=device)
    if update_id == FIRST:
        found = rows.filter(operation=None).first()
    else:
        try:
            found = rows.filter(operation__update=UUID(update_id)).first()
        except ValueError:
            found = None
    if found is None:
        raise NotFound("No certificate is awaited for this server.")
    return found


def answer(future: FutureCertificate) -> messages.CertificateAnswer:
    """Tell the server what to ask for, what it waits for, or its certificate."""
    order = None
    asked = (State.AWAITED, State.CSR_FAILED, State.CREATE_FAILED)
    if not future.by_hand and future.state in asked:
        order = messages.CsrOrder(**(future.order or {}))
    return messages.CertificateAnswer(
        state=future.state,
        chain=future.chain_pem if future.state in READY else "",
        order=order,
        generation=future.generation,
        reason=future.reason,
    )


@transaction.atomic
def receive(future: FutureCertificate, said: messages.CsrRequest) -> None:
    """Take a server's request, or its reason for having none.

    A request of an older generation is refused: the administrator asked for a fresh key since.
    """
    if said.generation != future.generation:
        raise Conflict("A newer request is wanted from this server.")
    if said.error:
        _failed(future, said.error)
        return
    request = csr.read_csr(said.csr)
    if future.csr_pem == request.pem:
        return
    if future.state in READY:
        raise Conflict("The server already has its new certificate.")
    if _is_internal(future):
        _store(future, State.AWAITED, csr_pem=request.pem)
    else:
        _store(future, State.CSR_GENERATED, csr_pem=request.pem)


def _is_internal(future: FutureCertificate) -> bool:
    return future.authority is not None and future.authority.is_internal


def _failed(future: FutureCertificate, error: str) -> None:
    there = State.CREATE_FAILED if _is_internal(future) else State.CSR_FAILED
    _store(
        future,
        there,
        reason=error[:2000],
        action="Mend the cause on the server, then Redeploy the update for this device.",
    )


def _store(future: FutureCertificate, there: str, **changes: Any) -> None:
    cleared: dict[str, Any] = {"reason": "", "action": "", **changes}
    if future.state == there:
        FutureCertificate.objects.filter(pk=future.pk, state=there).update(**cleared)
        return
    FutureCertificate.objects.move(future, there, **cleared)


def expect_first(device: Device, authority: Authority) -> None:
    """Make the row of a newly registered server's first certificate; it brought its CSR along."""
    order = order_for(device, key_length=keys.DEFAULT_KEY_LENGTH, include_dns=True)
    for old in FutureCertificate.objects.open().filter(device=device, operation=None):
        FutureCertificate.objects.move(old, State.DISCARDED)
    FutureCertificate.objects.create(
        device=device,
        authority=authority,
        order=order,
        csr_pem=csr.read_csr(device.first_csr).pem,
        state=State.AWAITED if authority.is_internal else State.CSR_GENERATED,
    )


def ask_again(future: FutureCertificate) -> None:
    """Ask a server for a fresh key and CSR: its old ones are gone or overridden (D-16)."""
    _store(future, State.AWAITED, csr_pem="", chain_pem="", generation=future.generation + 1)
