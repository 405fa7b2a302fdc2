"""Create operations: validate the request and store the operation in one transaction."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from administrators.models import Policies
from audit.models import Entry
from certificates.authority.key_operations import get_initiating_server, get_online_primary
from certificates.future_ca import external
from certificates.issuance import name_changes
from certificates.issuance.names import build_csr_parameters, check_common_name, check_names
from certificates.models import Authority, FutureCertificate, Operation
from certificates.name_constraints.rules import get_requested_rules, get_rules
from certificates.operations import requests
from certificates.operations.activation_time import get_limits
from certificates.operations.states import OperationState
from certificates.windows import waiting
from devices.models import Device, Zone
from faults import Conflict, Invalid, Refused

Kind = Operation.Kind


class OperationInProgress(Conflict):
    """A pending operation on the same certificates excludes the new one."""

    action = gettext_lazy("Wait for it to complete, or cancel it. Nothing was changed.")


@transaction.atomic
def remint_ca(
    request: requests.RemintCARequest, *, by: User | None, key: UUID, now: datetime
) -> Operation:
    """Start Remint CA: replace the zone CA with a new one on the same server (manual, 1.2.9)."""
    existing = _check_and_find_existing(request, key)
    if existing:
        return existing
    authority = Authority.objects.current()
    if not authority.is_internal or authority.certificate_server is None:
        raise Refused(
            _(
                "The zone CA is external, so the zone does not have "
                "the CA key. Use Change CA instead."
            )
        )
    server = authority.certificate_server
    operation = create_ca_operation(Kind.REMINT_CA, request, server, by=by, key=key, now=now)
    # The new key of a subordinate CA needs a new certificate by the other CA.
    return _add_parameters(operation, subordinate=True) if authority.is_subordinate else operation


@transaction.atomic
def change_to_internal(
    request: requests.ChangeToInternalRequest | requests.ChangeToSubordinateRequest,
    *,
    by: User | None,
    key: UUID,
    now: datetime,
) -> Operation:
    """Start Change CA to an internal CA (manual, 1.2.4), or to a subordinate one (D-295)."""
    existing = _check_and_find_existing(request, key)
    if existing:
        return existing
    server = get_online_primary(request.certificate_server, field="certificate_server", now=now)
    return create_ca_operation(Kind.CHANGE_CA, request, server, by=by, key=key, now=now)


@transaction.atomic
def take_over_ca(
    request: requests.TakeOverCARequest,
    sealed_key: str,
    *,
    by: User | None,
    key: UUID,
    now: datetime,
) -> Operation:
    """Start Change CA to a CA from a backup (D-31).

    `sealed_key` is encrypted for the certificate server, and stored until the new CA is created.
    """
    existing = _check_and_find_existing(request, key)
    if existing:
        return existing
    external.check_new_root(request.root_pem, now=request.activates_at or now)
    server = get_online_primary(request.certificate_server, field="certificate_server", now=now)
    operation = create_ca_operation(Kind.CHANGE_CA, request, server, by=by, key=key, now=now)
    return _add_parameters(operation, sealed_key=sealed_key)


@transaction.atomic
def change_to_external(
    request: requests.ChangeToExternalRequest, *, by: User | None, key: UUID, now: datetime
) -> Operation:
    """Start Change CA to an external CA (manual, 1.2.4)."""
    existing = _check_and_find_existing(request, key)
    if existing:
        return existing
    external.check_new_root(request.root_pem, now=request.activates_at or now)
    external.check_chain(
        request.root_pem, request.intermediates_pem, at=max(now, request.activates_at or now)
    )
    server = get_initiating_server()
    return create_ca_operation(Kind.CHANGE_CA, request, server, by=by, key=key, now=now)


@transaction.atomic
def remint_servers(
    request: requests.RemintServersRequest, *, by: User | None, key: UUID, now: datetime
) -> Operation:
    """Start Remint Certificate for one or more servers (manual, 1.3.2)."""
    existing = _check_and_find_existing(request, key)
    if existing:
        return existing
    authority = Authority.objects.current()
    servers = list(Device.objects.certified().filter(pk__in=request.servers))
    if len(servers) != len(set(request.servers)):
        raise Invalid(
            _("One of the selected servers no longer has a certificate in this zone."),
            field="servers",
        )
    check_not_busy(Kind.REMINT_SERVER, servers)
    limits = get_limits(Kind.REMINT_SERVER, servers=servers, now=now)
    request = requests.check_activation(request, limits)
    check_names(servers, include_dns=request.include_dns, rules=get_rules(authority))
    if request.common_name:
        check_common_name(request.common_name, servers)
    signing = authority.certificate_server if authority.is_internal else get_initiating_server()
    if signing is None:
        raise Refused(_("The zone does not have a certificate server."))
    operation = _create_operation(
        Kind.REMINT_SERVER, request, signing, by=by, key=key, authority=authority, name=request.name
    )
    manual_csr = request.manual_csr and not authority.is_internal
    _create_future_certificates(operation, request, servers, manual_csr=manual_csr)
    return operation


def _check_and_find_existing(request: requests.OperationRequest, key: UUID) -> Operation | None:
    """Validate a request, lock the zone, and return the operation with the same key, if any."""
    request.check()
    Zone.objects.lock()
    return Operation.objects.filter(idempotency_key=key).first()


def create_ca_operation(
    kind: str,
    request: requests.CAOperationRequest,
    signing_server: Device,
    *,
    by: User | None,
    key: UUID,
    now: datetime,
) -> Operation:
    """Check that an operation can start now, and store it with its future certificates."""
    authority = Authority.objects.current()
    check_not_busy(kind)
    request = requests.check_activation(request, get_limits(kind, now=now))
    servers = list(Device.objects.certified())
    rules = get_requested_rules(requests.serialize_request(request))
    check_names(servers, include_dns=request.include_dns, rules=rules)
    name = f"{Kind(kind).english_label} {now:%Y-%m-%d %H:%M:%S} UTC"
    operation = _create_operation(
        kind, request, signing_server, by=by, key=key, authority=authority, name=name
    )
    manual_csr = isinstance(request, requests.ChangeToExternalRequest) and request.manual_csr
    _create_future_certificates(operation, request, servers, manual_csr=manual_csr)
    return operation


def _add_parameters(operation: Operation, **values: object) -> Operation:
    """Store values with an operation that are not in its request."""
    operation.parameters |= values
    operation.save(update_fields=["parameters"])
    return operation


def check_not_busy(kind: str, servers: list[Device] | None = None) -> None:
    """Raise OperationInProgress if a pending operation excludes the new one.

    Only one CA operation can be pending, and no two operations can include the same server.

    See: D-19
    """
    pending = Operation.objects.blocking()
    of_ca = pending.of_ca().first()
    if of_ca is not None:
        text = _("%(kind)s is already in progress.") % {"kind": of_ca.get_kind_display()}
        if of_ca.requested_by is not None:
            text += " " + _("It was started by %s.") % of_ca.requested_by.username
        raise OperationInProgress(text)
    if kind != Kind.REMINT_SERVER:
        of_servers = pending.of_servers().first()
        if of_servers is not None:
            raise OperationInProgress(
                _("A server remint is in progress: %(of_servers)s.")
                % {"of_servers": of_servers.name}
            )
        return
    taken = FutureCertificate.objects.open().filter(device__in=servers or [])
    for future in taken.select_related("device"):
        raise OperationInProgress(
            _("%(device)s is already waiting for a new certificate.")
            % {"device": future.device.name}
        )


def _create_operation(
    kind: str,
    request: requests.OperationRequest,
    signing_server: Device,
    *,
    by: User | None,
    key: UUID,
    authority: Authority,
    name: str,
) -> Operation:
    plain = requests.serialize_request(request)
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                idempotency_key=key,
                kind=kind,
                state=_initial_state(kind),
                name=name,
                parameters=plain,
                requested_by=by,
                authority=authority,
                signing_server=signing_server,
                activates_at=request.activates_at,
                immediate=request.activates_at is None,
            )
    except IntegrityError as error:
        raise OperationInProgress(
            _("Another operation on the zone CA was started at the same time.")
        ) from error
    Entry.objects.record(
        "start",
        f"certificates.Operation:{operation.pk}",
        there=operation.state,
        note=name,
        detail={"kind": kind, "parameters": plain, "activates_at": str(request.activates_at)},
    )
    waiting.audit_override(operation)
    return operation


def _initial_state(kind: str) -> str:
    """Return PROPOSED if the operation needs two-administrator approval, otherwise PREPARING."""
    needs_two = kind != Kind.REMINT_SERVER and Policies.objects.get_current().two_administrators
    return OperationState.PROPOSED if needs_two else OperationState.PREPARING


def _create_future_certificates(
    operation: Operation,
    request: requests.OperationRequest,
    servers: list[Device],
    *,
    manual_csr: bool,
) -> None:
    """Create a future certificate for each server.

    Raises OperationInProgress if a server already has one.
    """
    extra: dict[str, object] = {}
    if isinstance(request, requests.ChangeToExternalRequest | requests.RemintServersRequest):
        extra = {name: value for name, value in vars(request.subject).items() if value}
    common_name = request.common_name if isinstance(request, requests.RemintServersRequest) else ""
    rows = [
        FutureCertificate(
            device=server,
            operation=operation,
            csr_parameters={
                **build_csr_parameters(
                    server,
                    key_length=request.key_length,
                    include_dns=request.include_dns,
                    common_name=common_name,
                ),
                **extra,
            },
            manual_csr=manual_csr,
            authority=operation.authority if operation.kind == Kind.REMINT_SERVER else None,
        )
        for server in servers
    ]
    name_changes.record_changes(operation, rows)
    try:
        with transaction.atomic():
            FutureCertificate.objects.bulk_create(rows)
    except IntegrityError as error:
        raise OperationInProgress(
            _("One of the servers is already waiting for a new certificate.")
        ) from error
