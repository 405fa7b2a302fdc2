"""Sign the activation order, activate the new certificates, and complete the operation.

See: D-26; D-27
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.chain.states import InvalidTransition
from certificates.issuance.requests import assign_initial_certificates
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations.distribution import announce_trust_change
from certificates.operations.publication import get_next_version
from certificates.operations.states import READY, AuthorityState, FutureState, OperationState
from certificates.trust import readiness
from certificates.windows import waiting
from devices.identity import zone_keys
from devices.models import Device, Zone
from pki.certificates import details
from pki.chains import chains
from systemupdates.models import Assignment, SystemUpdate, TrustNotice, serialize_envelope
from systemupdates.remint_tool import build
from systemupdates.updates.states import AssignmentState, UpdateState
from wire import metadata

State = OperationState


def get_blocking_servers(operation: Operation) -> list[Device]:
    """Return the servers without a new certificate that have not been ignored.

    The activation order is not signed until there are none.
    """
    rows = _pending_certificates(operation).exclude(device__in=_ignored_devices(operation))
    return [row.device for row in rows.filter(device__state="registered")]


def get_ignored_servers(operation: Operation) -> list[Device]:
    """Return the servers without a new certificate that an administrator has ignored."""
    rows = _pending_certificates(operation).filter(device__in=_ignored_devices(operation))
    return [row.device for row in rows]


def have_all_activated(operation: Operation) -> bool:
    """Return True if every server with a new certificate reports that it has activated it.

    A server does so only with a signed activation order, so the database has lost the order.
    """
    activated = Assignment.objects.filter(
        update=operation.update, state=AssignmentState.ACTIVATED
    ).values("device")
    ready = operation.futures.ready()
    return ready.exists() and not ready.exclude(device__in=activated).exists()


def _pending_certificates(operation: Operation) -> QuerySet[FutureCertificate]:
    return operation.futures.open().exclude(state__in=READY).select_related("device")


def _ignored_devices(operation: Operation) -> QuerySet[Assignment, Any]:
    states = (AssignmentState.IGNORED, AssignmentState.CANCELED)
    rows = Assignment.objects.filter(update=operation.update, state__in=states)
    return rows.values("device")


@transaction.atomic
def sign_activation_order(operation: Operation, *, now: datetime) -> None:
    """Sign the activation order, or block or postpone the activation.

    No server can activate while another one is not ready. The zone lock excludes concurrent
    cancellations and changes of the activation time, so the order never has an old revision.

    See: D-26
    """
    zone = Zone.objects.lock()
    expected = operation.state, operation.activates_at
    operation.refresh_from_db()
    if (operation.state, operation.activates_at) != expected:
        raise InvalidTransition(_("The state has changed in the meantime. Nothing was changed."))
    if operation.is_held_by_pilot:
        return
    missing = [] if operation.forced or operation.immediate else get_blocking_servers(operation)
    if missing:
        if operation.state != State.BLOCKED:
            _block(operation, missing)
        return
    if _is_postponed(operation, zone, now) or waits_for_window(operation, now=now):
        return
    update = operation.update
    if update is None:
        raise RuntimeError("an assigned operation has no update")
    activates_at = operation.activates_at or now
    Operation.objects.transition(
        operation, State.ACTIVATING, activates_at=activates_at, reason="", action=""
    )
    # Servers can have a later revision than a database that was restored from a backup.
    revision = get_next_version(update.revision, now)
    go = metadata.ActivationOrder(
        id=str(update.pk),
        zone=str(Zone.objects.get_zone().guid),
        revision=revision,
        activate_at=int(activates_at.timestamp()),
    )
    TrustNotice.objects.create(
        kind=TrustNotice.Kind.ACTIVATION_ORDER,
        update=update,
        revision=revision,
        envelope=serialize_envelope(zone_keys.get_keyring().sign(metadata.ACTIVATION_ORDER, go)),
    )
    servers = operation.futures.ready().values("device")
    Device.objects.filter(pk__in=servers).update(has_pending_work=True)


def _is_postponed(operation: Operation, zone: Zone, now: datetime) -> bool:
    """Postpone the activation if the readiness policy is not met, and return True.

    If it cannot be postponed any further, the operation is blocked until the policy is met.
    """
    if operation.forced or operation.immediate:
        return False
    reasons = readiness.list_shortfalls(operation, zone, now)
    if not reasons:
        return False
    if operation.state == State.BLOCKED:
        return True
    if not readiness.postpone_activation(operation, zone, reasons, now=now):
        Operation.objects.transition(
            operation,
            State.BLOCKED,
            note="; ".join(reasons)[:500],
            reason=_(
                "The zone is not ready and the activation cannot be postponed any further: %s."
            )
            % "; ".join(reasons),
            action=_(
                "Fix the devices that are not ready, force the activation, or cancel the operation."
            ),
        )
    return True


def waits_for_window(operation: Operation, *, now: datetime) -> bool:
    """Return True if the activation was moved into a maintenance window (D-274)."""
    if not waiting.is_outside_windows(operation, now=now):
        return False
    # Servers that have activated already, before the database was restored, do not wait.
    return not have_all_activated(operation) and waiting.wait_for_window(operation, now=now)


def _block(operation: Operation, missing: list[Device]) -> None:
    count = len(missing)
    named = readiness.format_names([device.name for device in missing])
    Operation.objects.transition(
        operation,
        State.BLOCKED,
        note=named,
        reason=ngettext(
            "%(n)d server does not have a new certificate: %(names)s",
            "%(n)d servers do not have a new certificate: %(names)s",
            count,
        )
        % {"n": count, "names": named},
        action=_("Change the activation time, ignore the device, or force the activation."),
    )


@transaction.atomic
def activate(operation: Operation, *, now: datetime) -> None:
    """Make the new CA the current one. The old root stays trusted during the grace period."""
    Zone.objects.lock()
    if operation.changes_ca:
        _switch_authorities(operation, now)
    Operation.objects.transition(operation, State.ACTIVATED, activated_at=now)
    update = operation.update
    if update is not None:
        SystemUpdate.objects.transition(update, UpdateState.IN_PROGRESS)
        if operation.changes_ca:
            _sign_activated_notice(operation, update)
    announce_trust_change()


def _switch_authorities(operation: Operation, now: datetime) -> None:
    zone = Zone.objects.lock()
    old, new = operation.authority, operation.future_authority
    if old is None or new is None:
        raise RuntimeError("a CA operation does not have both authorities")
    grace_until = min(now + zone.grace, old.not_after)
    Authority.objects.transition(old, AuthorityState.GRACE, grace_until=grace_until)
    Authority.objects.transition(new, AuthorityState.CURRENT, activated_at=now)
    Zone.objects.filter(pk=zone.pk).update(epoch=new.epoch)
    assign_initial_certificates(new, before=old)


def _sign_activated_notice(operation: Operation, update: SystemUpdate) -> None:
    """Sign the trust notice with which a device that cannot verify TLS can recover."""
    future = operation.future_authority
    if future is None:
        raise RuntimeError("a CA operation has no new authority")
    notice = metadata.ActivationNotice(
        id=str(update.pk),
        zone=str(Zone.objects.get_zone().guid),
        epoch=future.epoch,
        ca_sha256=future.sha256,
        manifest=update.get_envelope(),
    )
    TrustNotice.objects.create(
        kind=TrustNotice.Kind.ACTIVATED,
        update=update,
        revision=update.revision,
        envelope=serialize_envelope(
            zone_keys.get_keyring().sign(metadata.ACTIVATION_NOTICE, notice)
        ),
    )
    build.invalidate_tool(update)


def activate_certificates(operation: Operation, *, now: datetime) -> int:
    """Record the new certificate of each server that has activated it. Return the number."""
    served = Assignment.objects.filter(update=operation.update, state=AssignmentState.ACTIVATED)
    rows = operation.futures.ready().filter(device__in=served.values("device"))
    count = 0
    for future in rows.select_related("device", "authority"):
        with transaction.atomic():
            FutureCertificate.objects.transition(future, FutureState.ACTIVE)
            record_current_certificate(future.device, future.authority, future.chain_pem, now=now)
        count += 1
    return count


def record_current_certificate(
    device: Device, authority: Authority | None, chain_pem: str, *, now: datetime
) -> ServerCertificate:
    """Record the certificate that a server now uses. The previous one becomes history."""
    if authority is None:
        raise RuntimeError("the certificate has no authority")
    facts = details.get_details(chains.split(chain_pem)[0])
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
    """Complete an operation when no devices are outstanding (D-27)."""
    Operation.objects.transition(operation, State.COMPLETED, ended_at=now)
    for future in operation.futures.open():
        FutureCertificate.objects.transition(future, FutureState.DISCARDED)
    if operation.update is not None:
        SystemUpdate.objects.transition(operation.update, UpdateState.COMPLETED)
