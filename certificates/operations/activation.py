"""The go at the lock-out, the activation, and what follows it (D-26, D-27)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.chain.states import WrongMove
from certificates.issuance.requests import expect_first_of
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations.distribution import announce
from certificates.operations.states import READY, AuthorityState, FutureState, OperationState
from certificates.trust import readiness
from devices.identity import zone_keys
from devices.models import Device, Zone
from pki.certificates import details
from pki.chains import chains
from systemupdates.models import Assignment, Notice, SystemUpdate, plain
from systemupdates.remint_tool import build
from systemupdates.updates.states import AssignmentState, UpdateState
from wire import metadata

State = OperationState


def lacking(operation: Operation) -> list[Device]:
    """Return the servers that hold the go back: targeted, not left out, no new certificate yet."""
    rows = _unready(operation).exclude(device__in=_ignored(operation))
    return [row.device for row in rows.filter(device__state="registered")]


def left_out(operation: Operation) -> list[Device]:
    """Return the servers without a new certificate that an administrator has ignored."""
    return [row.device for row in _unready(operation).filter(device__in=_ignored(operation))]


def _unready(operation: Operation) -> QuerySet[FutureCertificate]:
    return operation.futures.open().exclude(state__in=READY).select_related("device")


def _ignored(operation: Operation) -> QuerySet[Assignment, Any]:
    states = (AssignmentState.IGNORED, AssignmentState.CANCELED)
    rows = Assignment.objects.filter(update=operation.update, state__in=states)
    return rows.values("device")


@transaction.atomic
def give_go(operation: Operation, *, now: datetime) -> None:
    """Sign the go, or block: no server may swap while another one cannot (D-26).

    What is decided here is decided on the rows as they are now, with every act that excludes it
    (cancel, another time) waiting: a go is never of an old revision.
    """
    zone = Zone.objects.lock()
    asked = operation.state, operation.activates_at
    operation.refresh_from_db()
    if (operation.state, operation.activates_at) != asked:
        raise WrongMove(_("It has moved on in the meantime. Nothing was changed."))
    missing = [] if operation.forced or operation.immediate else lacking(operation)
    if missing:
        if operation.state != State.BLOCKED:
            _block(operation, missing)
        return
    if _is_put_off(operation, zone, now):
        return
    update = operation.update
    if update is None:
        raise RuntimeError("an assigned operation has its update")
    activates_at = operation.activates_at or now
    Operation.objects.move(
        operation, State.ACTIVATING, activates_at=activates_at, reason="", action=""
    )
    go = metadata.Go(
        id=str(update.pk),
        zone=str(Zone.objects.the().guid),
        revision=update.revision,
        activate_at=int(activates_at.timestamp()),
    )
    Notice.objects.create(
        kind=Notice.Kind.GO,
        update=update,
        revision=update.revision,
        envelope=plain(zone_keys.here().sign(metadata.GO, go)),
    )
    servers = operation.futures.ready().values("device")
    Device.objects.filter(pk__in=servers).update(errands=True)


def _is_put_off(operation: Operation, zone: Zone, now: datetime) -> bool:
    """Ask the readiness policy; what cannot be put off is blocked until it is ready (B-3)."""
    if operation.forced or operation.immediate:
        return False
    why = readiness.shortfalls(operation, zone, now)
    if not why:
        return False
    if operation.state == State.BLOCKED:
        return True
    if not readiness.postpone(operation, zone, why, now=now):
        Operation.objects.move(
            operation,
            State.BLOCKED,
            note="; ".join(why)[:500],
            reason=_("Not ready, and no later time is left: %s.") % "; ".join(why),
            action=_("Make the devices ready, force the activation, or cancel."),
        )
    return True


def _block(operation: Operation, missing: list[Device]) -> None:
    count = len(missing)
    named = readiness.few([device.name for device in missing])
    Operation.objects.move(
        operation,
        State.BLOCKED,
        note=named,
        reason=ngettext(
            "%(n)d server has no new certificate: %(names)s",
            "%(n)d servers have no new certificate: %(names)s",
            count,
        )
        % {"n": count, "names": named},
        action=_("Change the activation time, ignore the device, or force the activation."),
    )


@transaction.atomic
def activate(operation: Operation, *, now: datetime) -> None:
    """Make the future CA the current one; trust of the old root stays until its grace ends."""
    Zone.objects.lock()
    if operation.changes_ca:
        _swap_authorities(operation, now)
    Operation.objects.move(operation, State.ACTIVATED, activated_at=now)
    update = operation.update
    if update is not None:
        SystemUpdate.objects.move(update, UpdateState.IN_PROGRESS)
        if operation.changes_ca:
            _publish_activated(operation, update)
    announce()


def _swap_authorities(operation: Operation, now: datetime) -> None:
    zone = Zone.objects.lock()
    old, new = operation.authority, operation.future_authority
    if old is None or new is None:
        raise RuntimeError("a CA operation has both authorities")
    grace_until = min(now + zone.grace, old.not_after)
    Authority.objects.move(old, AuthorityState.GRACE, grace_until=grace_until)
    Authority.objects.move(new, AuthorityState.CURRENT, activated_at=now)
    Zone.objects.filter(pk=zone.pk).update(epoch=new.epoch)
    expect_first_of(new, before=old)


def _publish_activated(operation: Operation, update: SystemUpdate) -> None:
    """Sign the notice by which a device that cannot verify TLS may recover (B-10)."""
    future = operation.future_authority
    if future is None:
        raise RuntimeError("a CA operation has its future authority")
    notice = metadata.Activated(
        id=str(update.pk),
        zone=str(Zone.objects.the().guid),
        epoch=future.epoch,
        ca_sha256=future.sha256,
        manifest=update.signed(),
    )
    Notice.objects.create(
        kind=Notice.Kind.ACTIVATED,
        update=update,
        revision=update.revision,
        envelope=plain(zone_keys.here().sign(metadata.ACTIVATED, notice)),
    )
    build.make_anew(update)


def promote(operation: Operation, *, now: datetime) -> int:
    """Make current what each server has proved to show: it reported that it is activated."""
    served = Assignment.objects.filter(update=operation.update, state=AssignmentState.ACTIVATED)
    rows = operation.futures.ready().filter(device__in=served.values("device"))
    count = 0
    for future in rows.select_related("device", "authority"):
        with transaction.atomic():
            FutureCertificate.objects.move(future, FutureState.ACTIVE)
            record_current(future.device, future.authority, future.chain_pem, now=now)
        count += 1
    return count


def record_current(
    device: Device, authority: Authority | None, chain_pem: str, *, now: datetime
) -> ServerCertificate:
    """Note which certificate a server shows from now on; the one before becomes history."""
    if authority is None:
        raise RuntimeError("a certificate has its authority")
    facts = details.describe(chains.split(chain_pem)[0])
    ServerCertificate.objects.current().filter(device=device).update(superseded_at=now)
    return ServerCertificate.objects.create(
        device=device,
        authority=authority,
        chain_pem=chain_pem,
        subject=facts.common_name[:253],
        issuer=facts.issuer_common_name[:500],
        not_before=facts.not_before,
        not_after=facts.not_after,
        key_length=facts.key_length,
        md5=facts.md5,
        sha1=facts.sha1,
        sha256=facts.sha256,
        digest=facts.digest,
        active_since=now,
    )


@transaction.atomic
def complete(operation: Operation, *, now: datetime) -> None:
    """Close an operation for which no device is outstanding any more (D-27)."""
    Operation.objects.move(operation, State.COMPLETED, ended_at=now)
    for future in operation.futures.open():
        FutureCertificate.objects.move(future, FutureState.DISCARDED)
    if operation.update is not None:
        SystemUpdate.objects.move(operation.update, UpdateState.COMPLETED)
