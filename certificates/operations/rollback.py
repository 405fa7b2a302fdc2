"""Roll back an activated CA operation to the previous CA and certificates.

This is possible until the old root is retired: every device still trusts the old root, and every
server still has its previous certificate. A signed trust notice makes them return to it. Both
roots stay trusted, so the order in which devices receive the notice does not matter.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from audit.chain.states import InvalidTransition
from audit.models import Entry
from certificates.issuance.requests import assign_initial_certificates, create_initial_certificate
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations.distribution import announce_trust_change
from certificates.operations.publication import get_next_version
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.identity import zone_keys
from devices.models import Device, Zone, get_contact_limit
from faults import Conflict
from systemupdates.assignments import assignment
from systemupdates.models import Assignment, Replica, SystemUpdate, TrustNotice, serialize_envelope
from systemupdates.updates.states import UPDATE, ReplicaState, UpdateState
from wire import metadata

State = OperationState
NAMED_AT_MOST = 5
CAN_ROLL_BACK = (State.ACTIVATED, State.COMPLETED)


def get_obstacle(operation: Operation, *, now: datetime) -> str:
    """Return why an operation cannot be rolled back, "" if it can."""
    old, new = operation.authority, operation.future_authority
    is_activated = operation.changes_ca and operation.state in CAN_ROLL_BACK
    if not is_activated or old is None or new is None:
        return _("Only an activated CA change can be rolled back.")
    if operation.update_id is None:
        return _(
            "The operation cannot be rolled back because its system "
            "update was deleted and devices cannot be notified."
        )
    if new.state != AuthorityState.CURRENT:
        return _("The zone CA has since been replaced again.")
    if old.state != AuthorityState.GRACE or old.has_expired(now):
        return _("The previous CA has been retired or has expired. Devices no longer trust it.")
    return _get_temporary_obstacle(operation, now)


def _get_temporary_obstacle(operation: Operation, now: datetime) -> str:
    pending = Operation.objects.blocking().exclude(pk=operation.pk).first()
    if pending is not None:
        kind = pending.get_kind_display()
        return _("%s is in progress. Wait for it to complete, or cancel it.") % kind
    expired = _servers_with_expired_certificate(operation, now).values_list("name", flat=True)
    names = list(expired[:NAMED_AT_MOST])
    if not names:
        return ""
    return _("The previous certificate has expired on these servers: %s.") % ", ".join(names)


def _previous_certificates(operation: Operation) -> QuerySet[ServerCertificate]:
    """Return the certificates that the old CA issued to the outer query's server, newest first."""
    rows = ServerCertificate.objects.filter(device=OuterRef("pk"), authority=operation.authority_id)
    return rows.order_by("-active_since")


def _servers_with_expired_certificate(operation: Operation, now: datetime) -> QuerySet[Device]:
    """Return the servers whose certificate from the old CA has expired."""
    until = Subquery(_previous_certificates(operation).values("not_after")[:1])
    return Device.objects.certified().annotate(until=until).filter(until__lte=now).order_by("name")


def check_roll_back(operation: Operation, *, now: datetime) -> None:
    """Raise Conflict with the reason if an operation cannot be rolled back."""
    reason = get_obstacle(operation, now=now)
    if reason:
        raise Conflict(_("%(reason)s Nothing was changed.") % {"reason": reason})


@transaction.atomic
def roll_back(operation: Operation, *, now: datetime) -> None:
    """Make the previous CA current again and notify every device. Raises Conflict if impossible."""
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    operation.refresh_from_db()
    check_roll_back(operation, now=now)
    update, old, new = operation.update, operation.authority, operation.future_authority
    if update is None or old is None or new is None:
        raise AssertionError
    zone = Zone.objects.lock()
    grace_until = min(now + zone.grace, new.not_after)
    Authority.objects.transition(new, AuthorityState.GRACE, grace_until=grace_until)
    Authority.objects.transition(old, AuthorityState.CURRENT, grace_until=None)
    Operation.objects.transition(operation, State.ROLLING_BACK, ended_at=None)
    for future in operation.futures.open():
        FutureCertificate.objects.transition(future, FutureState.DISCARDED)
    _withdraw_update(update, zone, now)
    assign_initial_certificates(old, before=new)
    _request_missing_certificates(operation, old)
    announce_trust_change()


def _withdraw_update(update: SystemUpdate, zone: Zone, now: datetime) -> None:
    """Sign the rollback notice, and withdraw the update and its content."""
    # Higher than every revision that a device can have, so that devices accept the notice.
    revision = get_next_version(update.revision, now)
    notice = metadata.Rollback(id=str(update.pk), zone=str(zone.guid), revision=revision)
    TrustNotice.objects.create(
        kind=TrustNotice.Kind.ROLLBACK,
        update=update,
        revision=revision,
        envelope=serialize_envelope(zone_keys.get_keyring().sign(metadata.ROLLBACK, notice)),
    )
    assignment.roll_back_assignments(update, now=now)
    if UPDATE.can_change(update.state, UpdateState.CANCELED):
        SystemUpdate.objects.transition(update, UpdateState.CANCELED)
    for replica in update.replicas.exclude(state=ReplicaState.WITHDRAWN):
        Replica.objects.transition(replica, ReplicaState.WITHDRAWN)


def _request_missing_certificates(operation: Operation, old: Authority) -> None:
    """Request certificates from the old CA for servers that registered after the activation."""
    previous = Subquery(_previous_certificates(operation).values("pk")[:1])
    new_servers = Device.objects.certified().annotate(previous=previous).filter(previous=None)
    requested = FutureCertificate.objects.open().filter(operation=None).values("device")
    for server in new_servers.exclude(initial_csr="").exclude(pk__in=requested):
        create_initial_certificate(server, old)


def finish_rollback(operation: Operation, *, now: datetime) -> None:
    """Set the operation to rolled back when every online server has returned.

    Offline servers return at their next contact.
    """
    if _pending_servers(operation, now).exists():
        return
    Operation.objects.transition(operation, State.ROLLED_BACK, ended_at=now)


def _pending_servers(operation: Operation, now: datetime) -> QuerySet[Assignment]:
    since = now - get_contact_limit(Zone.objects.get_zone().refresh)
    servers = Device.objects.certified().filter(last_contact__gte=since)
    return Assignment.objects.filter(
        update=operation.update, cancellation_acknowledged=False, device__in=servers
    )


def count_outstanding(operation: Operation) -> int:
    """Count the devices that have not reported that they returned to the previous CA."""
    rows = Assignment.objects.filter(update=operation.update, cancellation_acknowledged=False)
    return rows.filter(device__state="registered").count()


def record_previous_certificate(device: Device, digest: str, *, now: datetime) -> None:
    """Record that a server uses its previous certificate again after a rollback."""
    rows = ServerCertificate.objects.filter(device=device)
    if rows.filter(Q(superseded_at=None) & Q(digest=digest)).exists():
        return
    earlier = rows.filter(digest=digest, authority__state=AuthorityState.CURRENT).first()
    if earlier is None or not _was_rolled_back(rows.current().first()):
        return
    with transaction.atomic():
        Zone.objects.lock()
        if not rows.filter(pk=earlier.pk).exclude(superseded_at=None).exists():
            raise InvalidTransition(_("This has already been recorded."))
        rows.current().update(superseded_at=now)
        rows.filter(pk=earlier.pk).update(superseded_at=None, active_since=now)


def _was_rolled_back(current: ServerCertificate | None) -> bool:
    if current is None:
        return False
    states = (State.ROLLING_BACK, State.ROLLED_BACK)
    return Operation.objects.filter(future_authority=current.authority, state__in=states).exists()
