"""Roll back after an activation, until the old root is retired: old root, old certificates (B-5).

It works because nothing was thrown away: every device still trusts the old root, every server
keeps the generation before the swap. A signed notice tells them to go back to it; both roots stay
trusted meanwhile, so the order in which they hear of it does not matter.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from audit.chain.states import WrongMove
from audit.models import Entry
from certificates.issuance.requests import expect_first, expect_first_of
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations.distribution import announce
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Conflict
from systemupdates.assignments import assignment
from systemupdates.models import Assignment, Notice, Replica, SystemUpdate, plain
from systemupdates.updates.states import UPDATE, ReplicaState, UpdateState
from wire import metadata

State = OperationState
NAMED_AT_MOST = 5
FROM = (State.ACTIVATED, State.COMPLETED)


def why_not(operation: Operation, *, now: datetime) -> str:
    """Return why an operation cannot be rolled back, "" where it can."""
    old, new = operation.authority, operation.future_authority
    if not operation.changes_ca or operation.state not in FROM or old is None or new is None:
        return _("Only a change of the CA that was activated can be rolled back.")
    if operation.update_id is None:
        return _("Its system update was deleted, so that its devices cannot be told.")
    if new.state != AuthorityState.CURRENT:
        return _("The zone CA was replaced again since.")
    if old.state != AuthorityState.GRACE or old.has_expired(now):
        return _("The CA from before is retired or has expired: devices trust it no longer.")
    return _in_the_way(operation, now)


def _in_the_way(operation: Operation, now: datetime) -> str:
    pending = Operation.objects.blocking().exclude(pk=operation.pk).first()
    if pending is not None:
        kind = pending.get_kind_display()
        return _("%s is in progress. Wait until it ends, or cancel it.") % kind
    ended = list(_without_way_back(operation, now).values_list("name", flat=True)[:NAMED_AT_MOST])
    if not ended:
        return ""
    return _("The certificate from before has expired on: %s.") % ", ".join(ended)


def _before(operation: Operation) -> QuerySet[ServerCertificate]:
    """Return the newest certificate of the old CA of one server (for a subquery)."""
    rows = ServerCertificate.objects.filter(device=OuterRef("pk"), authority=operation.authority_id)
    return rows.order_by("-active_since")


def _without_way_back(operation: Operation, now: datetime) -> QuerySet[Device]:
    """Return the servers whose certificate of the old CA has expired since."""
    until = Subquery(_before(operation).values("not_after")[:1])
    return Device.objects.certified().annotate(until=until).filter(until__lte=now).order_by("name")


def check(operation: Operation, *, now: datetime) -> None:
    """Refuse what cannot be rolled back (any more), with the reason."""
    reason = why_not(operation, now=now)
    if reason:
        raise Conflict(_("%(reason)s Nothing was changed.") % {"reason": reason})


@transaction.atomic
def roll_back(operation: Operation, *, now: datetime) -> None:
    """Make the CA from before current again; every host that swapped is told to swap back."""
    Zone.objects.lock()
    Entry.objects.queue()
    operation.refresh_from_db()
    check(operation, now=now)
    update, old, new = operation.update, operation.authority, operation.future_authority
    if update is None or old is None or new is None:
        raise AssertionError
    zone = Zone.objects.lock()
    grace_until = min(now + zone.grace, new.not_after)
    Authority.objects.move(new, AuthorityState.GRACE, grace_until=grace_until)
    Authority.objects.move(old, AuthorityState.CURRENT, grace_until=None)
    Operation.objects.move(operation, State.ROLLING_BACK, ended_at=None)
    for future in operation.futures.open():
        FutureCertificate.objects.move(future, FutureState.DISCARDED)
    _call_back(update, zone, now)
    expect_first_of(old, before=new)
    _expect_where_none_was(operation, old)
    announce()


def _call_back(update: SystemUpdate, zone: Zone, now: datetime) -> None:
    """Sign the notice, and withdraw update, tool and content."""
    # Above every revision that a device may hold: it must not be taken for an older word.
    revision = update.revision + 1
    notice = metadata.Rollback(id=str(update.pk), zone=str(zone.guid), revision=revision)
    Notice.objects.create(
        kind=Notice.Kind.ROLLBACK,
        update=update,
        revision=revision,
        envelope=plain(zone_keys.here().sign(metadata.ROLLBACK, notice)),
    )
    assignment.undo(update, now=now)
    if UpdateState.CANCELED in UPDATE.moves[update.state]:
        SystemUpdate.objects.move(update, UpdateState.CANCELED)
    for replica in update.replicas.exclude(state=ReplicaState.WITHDRAWN):
        Replica.objects.move(replica, ReplicaState.WITHDRAWN)


def _expect_where_none_was(operation: Operation, old: Authority) -> None:
    """Let servers that joined after the activation get a certificate of the old CA."""
    shown = Subquery(_before(operation).values("pk")[:1])
    joined = Device.objects.certified().annotate(shown=shown).filter(shown=None)
    asked = FutureCertificate.objects.open().filter(operation=None).values("device")
    for server in joined.exclude(first_csr="").exclude(pk__in=asked):
        expect_first(server, old)


def finish(operation: Operation, *, now: datetime) -> None:
    """Close it once every server that is heard of has gone back; silent ones hear of it later."""
    if _not_back(operation, now).exists():
        return
    Operation.objects.move(operation, State.ROLLED_BACK, ended_at=now)


def _not_back(operation: Operation, now: datetime) -> QuerySet[Assignment]:
    live = now - 2 * Zone.objects.the().refresh - timedelta(minutes=1)
    servers = Device.objects.certified().filter(last_contact__gte=live)
    return Assignment.objects.filter(update=operation.update, told=False, device__in=servers)


def outstanding(operation: Operation) -> int:
    """Count the devices that have not said yet that they went back."""
    rows = Assignment.objects.filter(update=operation.update, told=False)
    return rows.filter(device__state="registered").count()


def shows_again(device: Device, digest: str, *, now: datetime) -> None:
    """Note that a server shows an earlier certificate again: it has gone back."""
    rows = ServerCertificate.objects.filter(device=device)
    if rows.filter(Q(superseded_at=None) & Q(digest=digest)).exists():
        return
    earlier = rows.filter(digest=digest, authority__state=AuthorityState.CURRENT).first()
    if earlier is None or not _was_rolled_back(rows.current().first()):
        return
    with transaction.atomic():
        Zone.objects.lock()
        if not rows.filter(pk=earlier.pk).exclude(superseded_at=None).exists():
            raise WrongMove(_("It is noted already."))
        rows.current().update(superseded_at=now)
        rows.filter(pk=earlier.pk).update(superseded_at=None, active_since=now)


def _was_rolled_back(shown: ServerCertificate | None) -> bool:
    if shown is None:
        return False
    states = (State.ROLLING_BACK, State.ROLLED_BACK)
    return Operation.objects.filter(future_authority=shown.authority, state__in=states).exists()
