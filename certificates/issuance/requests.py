"""Certification requests of servers: what to ask for, what came in, what goes back (D-16)."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.issuance.names import check_common_name, order_for
from certificates.models import Authority, FutureCertificate
from certificates.operations import requests
from certificates.operations.states import READY, FutureState
from devices.models import Device
from faults import Conflict, NotFound, Refused
from pki import keys
from pki.formats import csr
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
        raise NotFound(_("No certificate is awaited for this server."))
    return found


def answer(future: FutureCertificate) -> messages.CertificateAnswer:
    """Tell the server what to ask for, what it waits for, or its certificate."""
    order = None
    asked = (State.AWAITED, State.CSR_FAILED, State.CREATE_FAILED)
    # A request that is here already (it came with the registration) is not asked for again: the
    # server would make another key while its first request is being signed.
    unanswered = not (future.state == State.AWAITED and future.csr_pem)
    if not future.by_hand and future.state in asked and unanswered:
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
        raise Conflict(_("A newer request is wanted from this server."))
    if said.error:
        _failed(future, said.error)
        return
    if said.chain:
        raise Conflict(_("A certificate from the repository is taken by its own call."))
    request = csr.read_csr(said.csr)
    if future.csr_pem == request.pem:
        return
    if future.state in READY:
        raise Conflict(_("The server already has its new certificate."))
    if _is_internal(future):
        store(future, State.AWAITED, csr_pem=request.pem)
    else:
        store(future, State.CSR_GENERATED, csr_pem=request.pem)


def _is_internal(future: FutureCertificate) -> bool:
    return future.authority is not None and future.authority.is_internal


def _failed(future: FutureCertificate, error: str) -> None:
    there = State.CREATE_FAILED if _is_internal(future) else State.CSR_FAILED
    store(
        future,
        there,
        reason=error[:2000],
        action=_("Mend the cause on the server, then use Try again."),
    )


def store(future: FutureCertificate, there: str, **changes: Any) -> None:
    """Write a future certificate's new state and columns; earlier reasons are cleared."""
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


def expect_first_of(authority: Authority, *, before: Authority) -> None:
    """Let the new zone CA give the first certificates that the one before has yet to give.

    Nobody signs for a CA in grace, so a server that registered meanwhile would wait for ever.
    """
    pending = (State.AWAITED, State.CREATE_FAILED, State.CSR_GENERATED)
    there = State.AWAITED if authority.is_internal else State.CSR_GENERATED
    rows = FutureCertificate.objects.filter(operation=None, authority=before, state__in=pending)
    for future in rows:
        store(future, there, authority=authority)


def generate(
    futures: list[FutureCertificate],
    *,
    key_length: int,
    subject: requests.SubjectFields,
    common_name: str = "",
) -> None:
    """Let servers make a fresh key and CSR: for the manual choice, or to override one (R086)."""
    requests.check_key_length(key_length)
    subject.check()
    for future in futures:
        if messages.FEATURE_CSR not in future.device.features:
            raise Refused(
                _("The agent of %(device)s is too old to generate a CSR. Nothing was changed.")
                % {"device": future.device.name},
                action=_("Update its agent, or place certificate and key in its repository."),
            )
        if future.is_given:
            raise Conflict(
                _("%(device)s may be activating its new certificate already. Nothing was changed.")
                % {"device": future.device.name},
                action=_("To replace that certificate start a server remint afterwards."),
            )
    extra = {name: value for name, value in vars(subject).items() if value}
    if common_name:
        check_common_name(common_name, [future.device for future in futures])
    with transaction.atomic():
        Entry.objects.queue()
        for future in futures:
            plain = order_for(
                future.device, key_length=key_length, include_dns=True, common_name=common_name
            )
            ask_again(future, order={**plain, **extra}, by_hand=False)
            Entry.objects.record(
                "generate-csr",
                f"certificates.FutureCertificate:{future.pk}",
                note=future.device.name,
            )
            Device.objects.filter(pk=future.device_id).update(errands=True)


@transaction.atomic
def try_again(future: FutureCertificate) -> None:
    """After a failure let the server ask anew, by its names as they are now (R163, R165).

    The first certificate is for the request that came with the registration: it is kept.
    """
    if future.state not in (State.CSR_FAILED, State.CREATE_FAILED):
        raise Conflict(
            _("Nothing has failed for %(device)s any more. Nothing was changed.")
            % {"device": future.device.name}
        )
    before, of = future.order or {}, future.operation
    order = order_for(
        future.device,
        key_length=int(before.get("key_length", keys.DEFAULT_KEY_LENGTH)),
        include_dns=of is None or bool(of.order.get("include_dns")),
        common_name=_kept_name(future.device, str(before.get("common_name", ""))),
    )
    Entry.objects.queue()
    if of is None and future.csr_pem:
        store(future, State.AWAITED, order={**before, **order})
    else:
        ask_again(future, order={**before, **order})
    Entry.objects.record(
        "try-again", f"certificates.FutureCertificate:{future.pk}", note=future.device.name
    )
    Device.objects.filter(pk=future.device_id).update(errands=True)


def _kept_name(device: Device, common_name: str) -> str:
    return common_name if common_name in (device.fqdn, *device.dns_names) else ""


def csr_file(future: FutureCertificate) -> tuple[str, bytes]:
    """Return name and bytes of a server's CSR for download (D-18)."""
    if not future.csr_pem:
        raise NotFound(
            _("No CSR was generated for %(device)s yet.") % {"device": future.device.name}
        )
    return f"{future.device.fqdn}.csr", future.csr_pem.encode()


def csr_zip(futures: list[FutureCertificate]) -> bytes:
    """Return the CSRs of several servers as one zip; all of them must have one (R198)."""
    lacking = [future.device.name for future in futures if not future.csr_pem]
    if lacking:
        raise Conflict(
            _("%(n)s of %(of)s selected servers have no CSR yet: %(names)s.")
            % {"n": len(lacking), "of": len(futures), "names": ", ".join(lacking[:5])},
            action=_("Wait for their CSRs, or leave them out of the selection."),
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for future in futures:
            archive.writestr(*csr_file(future))
    return buffer.getvalue()


def ask_again(future: FutureCertificate, **changes: Any) -> None:
    """Ask a server for a fresh key and CSR: its old ones are gone or overridden (D-16)."""
    generation = future.generation + 1
    store(
        future,
        State.AWAITED,
        csr_pem="",
        chain_pem="",
        digest="",
        not_after=None,
        generation=generation,
        **changes,
    )
