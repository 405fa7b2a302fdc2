"""CSRs of servers: request, receive, retry, and download them (D-16)."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.issuance.names import build_csr_parameters, check_common_name
from certificates.models import Authority, FutureCertificate
from certificates.operations import requests
from certificates.operations.states import READY, FutureState
from devices.models import Device
from faults import Conflict, NotFound, Refused
from pki import keys
from pki.formats import csr
from wire import messages, update_messages

State = FutureState
INITIAL = "first"
UNSIGNED = (State.AWAITED, State.CREATE_FAILED, State.CSR_FAILED)


def get_future_certificate(device: Device, update_id: str) -> FutureCertificate:
    """Return the future certificate of a server for an update, or its initial one (`INITIAL`)."""
    rows = FutureCertificate.objects.open().filter(device=device)
    if update_id == INITIAL:
        found = rows.filter(operation=None).first()
    else:
        try:
            found = rows.filter(operation__update=UUID(update_id)).first()
        except ValueError:
            found = None
    if found is None:
        raise NotFound(_("This server is not waiting for a certificate."))
    return found


def build_response(future: FutureCertificate) -> update_messages.CertificateResponse:
    """Return the response to a server: CSR parameters, the state, or the certificate chain."""
    parameters = None
    needs_csr = future.state in (State.AWAITED, State.CSR_FAILED, State.CREATE_FAILED)
    # A CSR that came with the registration is not requested again. The server would generate
    # another key while its CSR is being signed.
    has_csr = future.state == State.AWAITED and future.csr_pem
    if not future.manual_csr and needs_csr and not has_csr:
        parameters = update_messages.CsrParameters(**(future.csr_parameters or {}))
    return update_messages.CertificateResponse(
        state=future.state,
        chain=future.chain_pem if future.state in READY else "",
        csr_parameters=parameters,
        generation=future.generation,
        reason=future.reason,
    )


@transaction.atomic
def receive_csr(future: FutureCertificate, report: update_messages.CsrRequest) -> None:
    """Store the CSR of a server, or the error that prevented it.

    Raises Conflict for a CSR of an older generation, because a new key has been requested since.
    """
    if report.generation != future.generation:
        raise Conflict(_("This CSR is out of date. The server must submit a new one."))
    if report.error:
        _record_failure(future, report.error)
        return
    if report.chain:
        raise Conflict(
            _("To submit a certificate from the remint repository, use the repository endpoint.")
        )
    request = csr.parse_csr(report.csr)
    if future.csr_pem == request.pem:
        return
    if future.state in READY:
        raise Conflict(_("The server already has its new certificate."))
    there = State.AWAITED if _is_internal(future) else State.CSR_GENERATED
    update_future_certificate(future, there, reported_by=future.device_id, csr_pem=request.pem)


def _is_internal(future: FutureCertificate) -> bool:
    return future.authority is not None and future.authority.is_internal


def _record_failure(future: FutureCertificate, error: str) -> None:
    there = State.CREATE_FAILED if _is_internal(future) else State.CSR_FAILED
    update_future_certificate(
        future,
        there,
        reported_by=future.device_id,
        reason=error[:2000],
        action=_("Fix the problem on the server, then click Try Again."),
    )


def update_future_certificate(
    future: FutureCertificate, there: str, *, reported_by: UUID | None = None, **changes: Any
) -> None:
    """Update the state and columns of a future certificate, and clear earlier errors.

    `reported_by` is the server whose report caused it; see `StatefulQuerySet.transition`.
    """
    cleared: dict[str, Any] = {"reason": "", "action": "", **changes}
    if future.state == there:
        FutureCertificate.objects.filter(pk=future.pk, state=there).update(**cleared)
        return
    FutureCertificate.objects.transition(future, there, reported_by=reported_by, **cleared)


def create_initial_certificate(device: Device, authority: Authority) -> None:
    """Create the initial certificate of a new server from the CSR of its registration."""
    parameters = build_csr_parameters(device, key_length=keys.DEFAULT_KEY_LENGTH, include_dns=True)
    for old in FutureCertificate.objects.open().filter(device=device, operation=None):
        FutureCertificate.objects.transition(old, State.DISCARDED)
    FutureCertificate.objects.create(
        device=device,
        authority=authority,
        csr_parameters=parameters,
        csr_pem=csr.parse_csr(device.initial_csr).pem,
        state=State.AWAITED if authority.is_internal else State.CSR_GENERATED,
    )


def list_servers_with_request() -> QuerySet[Device]:
    """Return the servers whose changes have been approved, and that need a certificate for them."""
    return Device.objects.certified().filter(needs_certificate=True)


def create_requested_certificates() -> None:
    """Create initial certificates for servers whose changes have been approved."""
    for device in list_servers_with_request():
        with transaction.atomic():
            taken = Device.objects.filter(pk=device.pk, needs_certificate=True)
            if taken.update(needs_certificate=False) and device.initial_csr:
                _update_unsigned_requests(device)
                create_initial_certificate(device, Authority.objects.current())
                Device.objects.filter(pk=device.pk).update(has_pending_work=True)


def _update_unsigned_requests(device: Device) -> None:
    """Use the approved names of a server in operations that are in progress, too."""
    rows = FutureCertificate.objects.open().filter(device=device, operation__isnull=False)
    for future in rows.filter(state__in=UNSIGNED):
        parameters = rebuild_csr_parameters(future, device)
        if future.state == State.CREATE_FAILED and future.csr_pem:
            update_future_certificate(future, State.AWAITED, csr_parameters=parameters)
        else:
            FutureCertificate.objects.filter(pk=future.pk).update(csr_parameters=parameters)


def assign_initial_certificates(authority: Authority, *, before: Authority) -> None:
    """Reassign pending initial certificates from the previous zone CA to the new one.

    A CA in its grace period does not sign, so they would remain pending.
    """
    pending = (State.AWAITED, State.CREATE_FAILED, State.CSR_GENERATED)
    there = State.AWAITED if authority.is_internal else State.CSR_GENERATED
    rows = FutureCertificate.objects.filter(operation=None, authority=before, state__in=pending)
    for future in rows:
        update_future_certificate(future, there, authority=authority)


def request_csrs(
    futures: list[FutureCertificate],
    *,
    key_length: int,
    subject: requests.SubjectFields,
    common_name: str = "",
) -> None:
    """Request a new key and CSR from servers, also to replace an earlier CSR."""
    requests.check_key_length(key_length)
    subject.check()
    for future in futures:
        if messages.FEATURE_CSR not in future.device.features:
            raise Refused(
                _(
                    "The agent version on %(device)s does not support CSR "
                    "generation. Nothing was changed."
                )
                % {"device": future.device.name},
                action=_(
                    "Update the agent, or copy the certificate and key to "
                    "the remint repository of the server."
                ),
            )
        if future.is_activation_ordered:
            raise Conflict(
                _(
                    "%(device)s might already be activating its new certificate. "
                    "Nothing was changed."
                )
                % {"device": future.device.name},
                action=_("To replace that certificate, remint the server after the activation."),
            )
    extra = {name: value for name, value in vars(subject).items() if value}
    if common_name:
        check_common_name(common_name, [future.device for future in futures])
    with transaction.atomic():
        Entry.objects.lock_checkpoint()
        for future in futures:
            plain = build_csr_parameters(
                future.device, key_length=key_length, include_dns=True, common_name=common_name
            )
            request_new_csr(future, csr_parameters={**plain, **extra}, manual_csr=False)
            Entry.objects.record(
                "generate-csr",
                f"certificates.FutureCertificate:{future.pk}",
                note=future.device.name,
            )
            Device.objects.filter(pk=future.device_id).update(has_pending_work=True)


@transaction.atomic
def retry(future: FutureCertificate) -> None:
    """Retry after a failure, with the current names of the server.

    For an initial certificate, the CSR of the registration is used again.
    """
    if future.state not in (State.CSR_FAILED, State.CREATE_FAILED):
        raise Conflict(
            _("%(device)s no longer has a failure to retry. Nothing was changed.")
            % {"device": future.device.name}
        )
    parameters, operation = rebuild_csr_parameters(future, future.device), future.operation
    Entry.objects.lock_checkpoint()
    if operation is None and future.csr_pem:
        update_future_certificate(future, State.AWAITED, csr_parameters=parameters)
    else:
        request_new_csr(future, csr_parameters=parameters)
    Entry.objects.record(
        "try-again", f"certificates.FutureCertificate:{future.pk}", note=future.device.name
    )
    Device.objects.filter(pk=future.device_id).update(has_pending_work=True)


def rebuild_csr_parameters(future: FutureCertificate, device: Device) -> dict[str, Any]:
    """Return the CSR parameters of a request with the current names of the server."""
    before, operation = future.csr_parameters or {}, future.operation
    parameters = build_csr_parameters(
        device,
        key_length=int(before.get("key_length", keys.DEFAULT_KEY_LENGTH)),
        include_dns=operation is None or bool(operation.parameters.get("include_dns")),
        common_name=_get_valid_common_name(device, str(before.get("common_name", ""))),
    )
    return {**before, **parameters}


def _get_valid_common_name(device: Device, common_name: str) -> str:
    return common_name if common_name in (device.fqdn, *device.dns_names) else ""


def get_csr_file(future: FutureCertificate) -> tuple[str, bytes]:
    """Return the file name and content of the CSR of a server, or raise NotFound (D-18)."""
    if not future.csr_pem:
        raise NotFound(
            _("No CSR has been generated for %(device)s yet.") % {"device": future.device.name}
        )
    return f"{future.device.fqdn}.csr", future.csr_pem.encode()


def build_csr_zip(futures: list[FutureCertificate]) -> bytes:
    """Return the CSRs of servers as a zip file, or raise Conflict if one does not have a CSR."""
    missing = [future.device.name for future in futures if not future.csr_pem]
    if missing:
        raise Conflict(
            _("%(n)s of %(of)s selected servers do not have a CSR yet: %(names)s.")
            % {"n": len(missing), "of": len(futures), "names": ", ".join(missing[:5])},
            action=_("Wait for the CSRs, or remove these servers from the selection."),
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for future in futures:
            archive.writestr(*get_csr_file(future))
    return buffer.getvalue()


def request_new_csr(future: FutureCertificate, **changes: Any) -> None:
    """Request a new key and CSR from a server, and delete the old CSR and certificate (D-16)."""
    update_future_certificate(
        future,
        State.AWAITED,
        csr_pem="",
        chain_pem="",
        digest="",
        not_after=None,
        generation=future.generation + 1,
        **changes,
    )
