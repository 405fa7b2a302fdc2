"""Prepare an operation: create the new CA, cross-certificates, and the signed system update.

Each step runs on the server that has the required key: the new CA is created on its certificate
server, and the old certificate server signs NewWithOld. An interrupted step stores nothing and is
repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.chain.states import InvalidTransition
from audit.models import Entry
from certificates.authority import key_store
from certificates.future_ca import building, subordinate
from certificates.models import Authority, CrossCertificate, IssuedCertificate, Operation
from certificates.operations import publication
from certificates.operations.states import AuthorityState, OperationState
from devices.identity import zone_keys
from devices.models import Device
from faults import Conflict, Fault, Kind
from pki import names
from pki.certificates import ca_certificates, details, issuance
from pki.certificates.constraints import NameConstraints
from systemupdates.content import replication
from systemupdates.models import SystemUpdate
from systemupdates.updates.states import UpdateState

State = OperationState
Step = Callable[[Operation, datetime], None]


def next_step(operation: Operation, now: datetime) -> tuple[UUID, Step] | None:
    """Return the next step of the preparation and the ID of the server that must run it."""
    if operation.state != State.PREPARING:
        return None
    old, future = operation.authority, operation.future_authority
    signing_server = operation.signing_server_id
    if operation.changes_ca and future is None:
        return signing_server, create_future_ca
    if future is not None and future.csr_pem:
        # The chain of a subordinate CA is imported by an administrator.
        return (signing_server, subordinate.sign_trusted_root) if future.intermediates_pem else None
    if old is not None and future is not None and future != old:
        if _needs_new_with_old(operation, old, now) and not _has_cross_certificate(old, future):
            return old.certificate_server_id or signing_server, _sign_new_with_old
        signs_old = future.is_internal and not old.has_expired(now)
        if signs_old and not _has_cross_certificate(future, old):
            return signing_server, _sign_old_with_new
    return signing_server, publish


def prepare(operation: Operation, *, now: datetime) -> bool:
    """Run the next step if this server must run it. Return True if a step was run."""
    pending = next_step(operation, now)
    if pending is None or pending[0] != zone_keys.get_keyring().server_id:
        return False
    _server, step = pending
    step(operation, now)
    return True


def record_failure(operation: Operation, fault: Fault) -> None:
    """Store why the preparation stopped.

    If something is unavailable, the step is retried automatically. Otherwise, the operation fails.
    """
    failure = {"reason": fault.explanation, "action": fault.action}
    operation.reason = fault.explanation
    if fault.kind == Kind.UNAVAILABLE:
        Operation.objects.filter(pk=operation.pk, state=State.PREPARING).update(**failure)
        return
    Operation.objects.transition(operation, State.FAILED, note=fault.explanation[:500], **failure)


@transaction.atomic
def retry(operation: Operation) -> None:
    """Retry the failed step of a preparation. Raises Conflict if the operation has not failed."""
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    if operation.state != State.FAILED:
        raise Conflict(
            _(
                "There is nothing to retry because the operation has "
                "not failed. Nothing was changed."
            )
        )
    Operation.objects.transition(operation, State.PREPARING, reason="", action="")


def is_certificate_server_lost(operation: Operation, now: datetime, refresh: timedelta) -> bool:
    """Return True if the server that must sign the cross-certificate is offline."""
    pending = next_step(operation, now)
    if pending is None or pending[1] is not _sign_new_with_old:
        return False
    server = Device.objects.filter(pk=pending[0]).first()
    return server is None or not server.is_online(now, refresh)


def _needs_new_with_old(operation: Operation, old: Authority, now: datetime) -> bool:
    without = operation.parameters.get("without_cross_certificate", False)
    return old.is_internal and not old.has_expired(now) and not without


def _has_cross_certificate(issuer: Authority, subject: Authority) -> bool:
    return CrossCertificate.objects.filter(issuer=issuer, subject=subject).exists()


def create_future_ca(operation: Operation, now: datetime) -> None:
    """Create the new CA, or take it over from a backup, and store it."""
    external = operation.parameters.get("external", False)
    internal = None if external else _build_internal(operation, now)
    with transaction.atomic():
        Entry.objects.lock_checkpoint()
        authority = internal or _build_external(operation)
        # An epoch that no CA of the zone has had, including discarded ones.
        latest = max(Authority.objects.values_list("epoch", flat=True), default=0)
        authority.epoch = publication.get_next_version(latest, now)
        try:
            with transaction.atomic():
                authority.save(force_insert=True)
        except IntegrityError as error:
            raise InvalidTransition(_("Another new CA was created at the same time.")) from error
        if authority.is_internal:
            subordinate.record_root(authority)
        _set_future_authority(operation, authority)
        Entry.objects.record(
            "future-ca",
            f"certificates.Authority:{authority.pk}",
            there=authority.state,
            note=authority.subject,
            detail={"kind": authority.kind, "sha256": authority.sha256},
        )


def _set_future_authority(operation: Operation, authority: Authority) -> None:
    rows = Operation.objects.filter(pk=operation.pk, state=State.PREPARING, future_authority=None)
    if not rows.update(future_authority=authority):
        raise InvalidTransition(
            _("The operation was canceled or its new CA was created in the meantime.")
        )
    operation.future_authority = authority
    operation.futures.filter(authority=None).update(authority=authority)


def _build_internal(operation: Operation, now: datetime) -> Authority:
    order, server = operation.parameters, operation.signing_server
    if "authority" in order:
        return _build_from_backup(operation)
    key = key_store.generate_key(order["key_length"])
    subject = order.get("common_name") or order["subject"]
    constraints = NameConstraints.of(order.get("name_constraints"))
    root = ca_certificates.build_root(
        key_pem=key,
        subject=names.Subject.parse(subject),
        validity=issuance.get_root_validity(now, order.get("years", subordinate.PLACEHOLDER_YEARS)),
        serial=issuance.generate_serial(),
        name_constraints=constraints,
    )
    authority = building.build_internal_authority(root, key, server, state=AuthorityState.FUTURE)
    if order.get("subordinate"):
        subordinate.make_subordinate(authority, key, subject, constraints)
    return authority


def _build_from_backup(operation: Operation) -> Authority:
    """Return the unsaved CA of a backup. Its key is already encrypted for its server."""
    order = operation.parameters
    _release_fingerprint(order["root_pem"])
    chain = order.get("intermediates_pem", "")
    kind = Authority.Kind.SUBORDINATE if chain else Authority.Kind.INTERNAL
    authority = Authority(guid=UUID(order["authority"]), kind=kind, intermediates_pem=chain)
    authority.root_pem, authority.state = order["root_pem"], AuthorityState.FUTURE
    building.copy_root_details(authority)
    authority.sealed_key = order["sealed_key"]
    authority.certificate_server = operation.signing_server
    return authority


def _release_fingerprint(root_pem: str) -> None:
    """Free the unique fingerprint of an earlier authority with the same root."""
    known = Authority.objects.filter(sha256=details.get_digest(root_pem)).first()
    if known is not None:
        Authority.objects.filter(pk=known.pk).update(sha256=f"past-{known.pk.hex}")


def _build_external(operation: Operation) -> Authority:
    """Return the unsaved external authority of an operation."""
    order = operation.parameters
    _release_fingerprint(order["root_pem"])
    return building.build_external_authority(
        order["root_pem"], order["intermediates_pem"], state=AuthorityState.FUTURE
    )


def _sign_new_with_old(operation: Operation, now: datetime) -> None:
    """Create NewWithOld: the old CA signs the key of the new root.

    Devices that trust only the old root verify the new one with it.

    See: RFC 4210 4.4; D-29
    """
    old, new = _old_and_new(operation)
    _create_cross_certificate(issuer=old, subject=new, now=now)


def _sign_old_with_new(operation: Operation, now: datetime) -> None:
    """Create OldWithNew: the new CA signs the key of the old root.

    Devices that trust only the new root verify the old one with it.

    See: RFC 4210 4.4
    """
    old, new = _old_and_new(operation)
    _create_cross_certificate(issuer=new, subject=old, now=now)


def _old_and_new(operation: Operation) -> tuple[Authority, Authority]:
    if operation.authority is None or operation.future_authority is None:
        raise RuntimeError("a cross-certificate links two authorities")
    return operation.authority, operation.future_authority


def _create_cross_certificate(*, issuer: Authority, subject: Authority, now: datetime) -> None:
    serial = issuance.generate_serial()
    row = IssuedCertificate.objects.create(
        authority=issuer, serial=f"{serial:x}", purpose="bridge", subject=subject.subject
    )
    pem = ca_certificates.build_cross_certificate(
        issuer_pem=issuer.root_pem,
        issuer_key_pem=key_store.get_signing_key(issuer),
        subject_pem=subject.root_pem,
        serial=serial,
        now=now,
    )
    facts = details.get_details(pem)
    with transaction.atomic():
        Entry.objects.record(
            "bridge",
            f"certificates.Authority:{issuer.pk}",
            about=[f"certificates.Authority:{subject.pk}"],
            note=f"{subject.subject} by {issuer.subject}",
            detail={"serial": row.serial, "sha256": facts.digest},
        )
        IssuedCertificate.objects.filter(pk=row.pk).update(sha256=facts.digest)
        CrossCertificate.objects.get_or_create(
            issuer=issuer,
            subject=subject,
            defaults={"pem": pem, "not_after": facts.not_after},
        )


def publish(operation: Operation, now: datetime) -> None:
    """Store the content, create the update with its signed manifest, and start replication."""
    files = publication.store_content(operation)
    with transaction.atomic():
        update = publication.create_update(operation, files, now=now)
        replication.create_replicas(update)
        SystemUpdate.objects.transition(update, UpdateState.REPLICATING)
        future = operation.future_authority or operation.authority
        Operation.objects.transition(
            operation,
            State.REPLICATING,
            update=update,
            future_authority=future,
            reason="",
            action="",
        )
        operation.futures.filter(authority=None).update(authority=future)
