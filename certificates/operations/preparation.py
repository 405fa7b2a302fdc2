"""PREPARING: the future CA, its bridges, then the signed manifest and the system update.

Each step is done where its key is: the future CA on the server that will hold it, the bridge of
the old CA on the old certificate server. A step that was killed stored nothing and is done anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.chain.states import WrongMove
from audit.models import Entry
from certificates.authority import key_store
from certificates.models import Authority, Bridge, Issued, Operation
from certificates.operations import publication
from certificates.operations.states import AuthorityState, OperationState
from devices.identity import zone_keys
from devices.models import Device
from faults import Conflict, Fault, Kind
from pki import keys, names
from pki.certificates import details, issuance
from systemupdates.content import replication
from systemupdates.models import SystemUpdate
from systemupdates.updates.states import UpdateState

State = OperationState
Step = Callable[[Operation, datetime], None]


def next_step(operation: Operation, now: datetime) -> tuple[UUID, Step] | None:
    """Return the next step of a preparation and the server that can do it."""
    if operation.state != State.PREPARING:
        return None
    old, future = operation.authority, operation.future_authority
    here = operation.signing_server_id
    if operation.changes_ca and future is None:
        return here, make_future
    if old is not None and future is not None and future != old:
        if _may_bridge(operation, old, now) and not _bridged(old, future):
            return old.certificate_server_id or here, _bridge_by_old
        if future.is_internal and not old.has_expired(now) and not _bridged(future, old):
            return here, _bridge_by_new
    return here, publish


def prepare(operation: Operation, *, now: datetime) -> bool:
    """Take the next step if it is this server's to take; tells whether it did."""
    found = next_step(operation, now)
    if found is None or found[0] != zone_keys.here().server_id:
        return False
    found[1](operation, now)
    return True


def note_fault(operation: Operation, fault: Fault) -> None:
    """Say why a preparation does not go on; what is only away is tried again by itself (R094)."""
    told = {"reason": fault.explanation, "action": fault.action}
    operation.reason = fault.explanation
    if fault.kind == Kind.UNAVAILABLE:
        Operation.objects.filter(pk=operation.pk, state=State.PREPARING).update(**told)
        return
    Operation.objects.move(operation, State.FAILED, note=fault.explanation[:500], **told)


@transaction.atomic
def try_again(operation: Operation) -> None:
    """Try a failed preparation again; nothing of the step that failed was stored."""
    Entry.objects.queue()
    operation.refresh_from_db()
    if operation.state != State.FAILED:
        raise Conflict(_("The operation has not failed. Nothing was changed."))
    Operation.objects.move(operation, State.PREPARING, reason="", action="")


def lost_bridge(operation: Operation, now: datetime, refresh: timedelta) -> bool:
    """Tell whether the bridge waits for a certificate server that is not heard of."""
    found = next_step(operation, now)
    if found is None or found[1] is not _bridge_by_old:
        return False
    server = Device.objects.filter(pk=found[0]).first()
    return server is None or not server.is_live(now, refresh)


def _may_bridge(operation: Operation, old: Authority, now: datetime) -> bool:
    without = operation.order.get("without_bridge", False)
    return old.is_internal and not old.has_expired(now) and not without


def _bridged(issuer: Authority, subject: Authority) -> bool:
    return Bridge.objects.filter(issuer=issuer, subject=subject).exists()


def make_future(operation: Operation, now: datetime) -> None:
    """Make or take over the future CA and store it."""
    external = operation.order.get("external", False)
    made = None if external else _internal(operation, now)
    with transaction.atomic():
        Entry.objects.queue()
        authority = made or _external(operation)
        # A number that no CA of this zone had, also where one was discarded.
        authority.epoch = 1 + max(Authority.objects.values_list("epoch", flat=True), default=0)
        try:
            with transaction.atomic():
                authority.save(force_insert=True)
        except IntegrityError as error:
            raise WrongMove(_("Another future CA was made at the same time.")) from error
        if authority.is_internal:
            Issued.objects.create(
                authority=authority,
                serial=details.describe(authority.root_pem).serial_hex,
                purpose="root",
                subject=authority.subject,
                sha256=authority.sha256,
            )
        _set_future(operation, authority)
        Entry.objects.record(
            "future-ca",
            f"certificates.Authority:{authority.pk}",
            there=authority.state,
            note=authority.subject,
            detail={"kind": authority.kind, "sha256": authority.sha256},
        )


def _set_future(operation: Operation, authority: Authority) -> None:
    rows = Operation.objects.filter(pk=operation.pk, state=State.PREPARING, future_authority=None)
    if not rows.update(future_authority=authority):
        raise WrongMove(_("The operation was cancelled, or got its future CA, in the meantime."))
    operation.future_authority = authority
    operation.futures.filter(authority=None).update(authority=authority)


def _internal(operation: Operation, now: datetime) -> Authority:
    order, server = operation.order, operation.signing_server
    if "authority" in order:
        return _adopted(operation)
    key = key_store.make_key(order["key_length"])
    root = issuance.make_root(
        key_pem=key,
        subject=names.Subject.parse(order.get("common_name") or order["subject"]),
        validity=issuance.root_validity(now, order["years"]),
        serial=issuance.make_serial(),
    )
    return internal_authority(root, key, server, state=AuthorityState.FUTURE)


def _adopted(operation: Operation) -> Authority:
    """Return the CA of a backup; its key was sealed to its server when the backup was opened."""
    order = operation.order
    _set_aside(order["root_pem"])
    authority = Authority(guid=UUID(order["authority"]), kind=Authority.Kind.INTERNAL)
    authority.root_pem, authority.state = order["root_pem"], AuthorityState.FUTURE
    describe(authority)
    authority.sealed_key = order["sealed_key"]
    authority.certificate_server = operation.signing_server
    return authority


def _set_aside(root_pem: str) -> None:
    """Let the fingerprint find the row that counts; one of the past is found by its id."""
    known = Authority.objects.filter(sha256=details.digest(root_pem)).first()
    if known is not None:
        Authority.objects.filter(pk=known.pk).update(sha256=f"past-{known.pk.hex}")


def internal_authority(
    root_pem: str, key: keys.SigningKey, server: Device, *, state: str
) -> Authority:
    """Return an unsaved internal authority, its key sealed to its certificate server."""
    authority = Authority(guid=uuid4(), kind=Authority.Kind.INTERNAL, root_pem=root_pem)
    describe(authority)
    authority.state, authority.certificate_server = state, server
    authority.sealed_key = key_store.keep(key, authority_id=authority.pk, server=server)
    return authority


def _external(operation: Operation) -> Authority:
    """Return the external authority of an order; one that was tried before is a new row."""
    order = operation.order
    _set_aside(order["root_pem"])
    return external_authority(
        order["root_pem"], order["intermediates_pem"], state=AuthorityState.FUTURE
    )


def external_authority(root_pem: str, intermediates_pem: str, *, state: str) -> Authority:
    """Return an unsaved external authority; its key is nowhere in the zone."""
    authority = Authority(guid=uuid4(), kind=Authority.Kind.EXTERNAL, root_pem=root_pem)
    authority.intermediates_pem, authority.state = intermediates_pem, state
    describe(authority)
    return authority


def describe(authority: Authority) -> None:
    """Copy the facts of its root certificate into an authority's columns."""
    facts = details.describe(authority.root_pem)
    authority.subject, authority.common_name = facts.subject[:500], facts.common_name[:64]
    authority.key_length = facts.key_length
    authority.not_before, authority.not_after = facts.not_before, facts.not_after
    authority.sha256 = facts.digest


def _bridge_by_old(operation: Operation, now: datetime) -> None:
    """NewWithOld: the old CA signs the new root's key, so that late devices find a path (D-29)."""
    old, new = _both(operation)
    _make_bridge(issuer=old, subject=new, now=now)


def _bridge_by_new(operation: Operation, now: datetime) -> None:
    """OldWithNew: the new CA signs the old root's key, for devices that switched early."""
    old, new = _both(operation)
    _make_bridge(issuer=new, subject=old, now=now)


def _both(operation: Operation) -> tuple[Authority, Authority]:
    if operation.authority is None or operation.future_authority is None:
        raise RuntimeError("bridges lead between two authorities")
    return operation.authority, operation.future_authority


def _make_bridge(*, issuer: Authority, subject: Authority, now: datetime) -> None:
    serial = issuance.make_serial()
    row = Issued.objects.create(
        authority=issuer, serial=f"{serial:x}", purpose="bridge", subject=subject.subject
    )
    pem = issuance.make_bridge(
        issuer_pem=issuer.root_pem,
        issuer_key_pem=key_store.signing_key(issuer),
        subject_pem=subject.root_pem,
        serial=serial,
        now=now,
    )
    facts = details.describe(pem)
    with transaction.atomic():
        Entry.objects.record(
            "bridge",
            f"certificates.Authority:{issuer.pk}",
            note=f"{subject.subject} by {issuer.subject}",
            detail={"serial": row.serial, "sha256": facts.digest},
        )
        Issued.objects.filter(pk=row.pk).update(sha256=facts.digest)
        Bridge.objects.get_or_create(
            issuer=issuer,
            subject=subject,
            defaults={"pem": pem, "not_after": facts.not_after},
        )


def publish(operation: Operation, now: datetime) -> None:
    """Store the content, sign the manifest, make the update and let replication begin."""
    files = publication.store_content(operation)
    with transaction.atomic():
        update = publication.make_update(operation, files, now=now)
        replication.start(update)
        SystemUpdate.objects.move(update, UpdateState.REPLICATING)
        future = operation.future_authority or operation.authority
        Operation.objects.move(
            operation,
            State.REPLICATING,
            update=update,
            future_authority=future,
            reason="",
            action="",
        )
        operation.futures.filter(authority=None).update(authority=future)
