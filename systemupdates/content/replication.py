"""Replication: which content server must hold which content, and who has it (D-34, D-35)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audit.chain.states import WrongMove
from audit.models import Entry
from devices.models import Device, Zone
from faults import Conflict
from systemupdates.models import Assignment, Replica, ReplicaQuerySet, SystemUpdate
from systemupdates.updates.states import AssignmentState, ReplicaState, UpdateState
from wire import messages

R = ReplicaState
MISSING = (R.PENDING, R.REPLICATING, R.FAILED)
OVER = (UpdateState.CANCELED, UpdateState.BASELINED)
STANDING_REASON = "Left out of content replication by its own setting."
# A server may report what it held a moment before its row was made.
SETTLES_IN = timedelta(minutes=1)
# The step of the agent at which it fetches content.
FETCHING = "offered"


def start(update: SystemUpdate) -> None:
    """Make a replica row for each content server; the initiating server has the content already."""
    servers = list(Device.objects.content_servers())
    Replica.objects.bulk_create([_row(update, server) for server in servers], ignore_conflicts=True)
    ask([server for server in servers if server.replicates])


def _row(update: SystemUpdate, server: Device) -> Replica:
    if server.pk == update.initiating_server_id:
        return Replica(update=update, server=server, state=R.AVAILABLE, progress=100)
    if not server.replicates:
        return Replica(update=update, server=server, state=R.EXCLUDED, reason=STANDING_REASON)
    return Replica(update=update, server=server, state=R.PENDING)


def join(server: Device) -> None:
    """Let a content server that joins get the content of every update that still counts."""
    rows = SystemUpdate.objects.shown().exclude(state__in=OVER).exclude(files=[])
    lacking = rows.exclude(replicas__server=server)
    Replica.objects.bulk_create([_row(update, server) for update in lacking], ignore_conflicts=True)


def ask(servers: Iterable[Device]) -> None:
    """Let content servers look now: at their next contact, a Primary Server at once."""
    Device.objects.filter(pk__in=[server.pk for server in servers]).update(errands=True, wake=True)


def wanted_by(server: Device) -> list[messages.Replicate]:
    """Return the content that a content server has yet to fetch, nearest source first."""
    replicas = list(
        Replica.objects.filter(server=server, state__in=MISSING).select_related(
            "update", "update__initiating_server", "server__parent"
        )
    )
    if not replicas:
        return []
    rate = server.bandwidth(Zone.objects.the())
    holders = _holders([replica.update for replica in replicas])
    return [
        order
        for replica in replicas
        for order in _orders(replica, holders[replica.update_id], rate)
    ]


def _holders(updates: Iterable[SystemUpdate]) -> Mapping[UUID, list[Device]]:
    """Return which servers hold the content of some updates: sources when the nearest fails."""
    found: dict[UUID, list[Device]] = {update.pk: [] for update in updates}
    rows = Replica.objects.filter(
        update__in=list(found), state=R.AVAILABLE, server__state="registered"
    )
    for row in rows.select_related("server").order_by("server__role", "server__name"):
        found[row.update_id].append(row.server)
    return found


def _orders(replica: Replica, holders: list[Device], rate: int) -> Iterable[messages.Replicate]:
    """Primary Servers copy from the initiating one, satellites from their parent (D-34)."""
    near = [replica.server.parent, replica.update.initiating_server, *holders]
    servers = [one for one in near if one is not None and one.pk != replica.server_id]
    urls = [url for server in servers if (url := server.address(server.content_port, "http"))]
    for file in replica.update.files:
        yield messages.Replicate(
            update=str(replica.update_id),
            sha256=file["sha256"],
            size=file["size"],
            sources=[f"{url}/content/{file['sha256']}" for url in dict.fromkeys(urls)],
            rate=rate,
        )


def heard(
    server: Device, holds: list[str], copies: list[messages.Copy], *, now: datetime
) -> list[SystemUpdate]:
    """Note what a content server says it holds; returns the updates whose replica is there now."""
    held, coming = set(holds), {copy.sha256: copy for copy in copies}
    arrived = []
    rows = Replica.objects.filter(server=server, state__in=(*MISSING, R.AVAILABLE))
    for replica in rows.select_related("update"):
        here = held.issuperset(replica.update.digests())
        # It may have been excluded or withdrawn at the same moment.
        with suppress(WrongMove):
            if replica.state == R.AVAILABLE:
                _lost(replica, here=here, now=now)
            elif here:
                Replica.objects.move(replica, R.AVAILABLE, progress=100, reason="")
                _go_on(replica.update)
                arrived.append(replica.update)
            else:
                _progress(replica, held, coming)
    return arrived


def _lost(replica: Replica, *, here: bool, now: datetime) -> None:
    """Let a server fetch again what it no longer has: its folder was emptied or restored."""
    if here or now - replica.changed_at < SETTLES_IN or not replica.update.files:
        return
    Replica.objects.move(replica, R.PENDING, progress=0, tool_sha256="", note="content is gone")
    Device.objects.filter(pk=replica.server_id).update(errands=True)


def _progress(replica: Replica, held: set[str], coming: dict[str, messages.Copy]) -> None:
    files = replica.update.files
    none = messages.Copy("")
    got = sum(
        file["size"]
        if file["sha256"] in held
        else min(coming.get(file["sha256"], none).got, file["size"])
        for file in files
    )
    share = min(99, 100 * got // max(1, sum(file["size"] for file in files)))
    errors = [coming.get(file["sha256"], none).error for file in files]
    reason = next(filter(None, errors), "")
    state = R.FAILED if reason else R.REPLICATING if share else R(replica.state)
    if state != replica.state:
        Replica.objects.move(replica, state, progress=share, reason=reason[:500])
    elif (share, reason) != (replica.progress, replica.reason):
        Replica.objects.filter(pk=replica.pk).update(progress=share, reason=reason[:500])


def _go_on(update: SystemUpdate) -> None:
    """Let devices that failed for want of this content try again by themselves (D-38)."""
    rows = Assignment.objects.filter(
        update=update, state=AssignmentState.FAILED, step=FETCHING, redeploy=False
    )
    Device.objects.filter(pk__in=rows.values("device")).update(errands=True, wake=True)
    rows.update(redeploy=True)


def withdrawn_from(server: Device) -> list[str]:
    """Return digests that a content server may drop: no update that still counts names them."""
    gone = Replica.objects.filter(server=server, state=R.WITHDRAWN)
    kept = Replica.objects.filter(server=server).exclude(state=R.WITHDRAWN)
    return sorted(_digests(gone) - _digests(kept))


def _digests(replicas: ReplicaQuerySet) -> set[str]:
    return {d for replica in replicas.select_related("update") for d in replica.update.digests()}


@transaction.atomic
def exclude(replica: Replica, *, now: datetime) -> None:
    """Leave a content server out, so that a dead one does not block for ever (D-35).

    A server that holds the content is never excluded: the initiating one is the source of all.
    """
    if replica.state == R.AVAILABLE:
        raise Conflict(
            _("%(server)s holds the content already. Nothing was changed.")
            % {"server": replica.server},
            action=_("A server is excluded while it lacks the content."),
        )
    Replica.objects.move(replica, R.EXCLUDED, note=f"{replica.server} at {now.isoformat()}")


@transaction.atomic
def include(replica: Replica, *, now: datetime) -> None:
    """Let an excluded content server take part again: it fetches the content as any other."""
    update = replica.update
    if replica.state != R.EXCLUDED:
        raise Conflict(
            _("%(server)s is not excluded. Nothing was changed.") % {"server": replica.server},
            action=_("Reload the page to see how the server stands."),
        )
    if update.state in OVER or update.deleted_at is not None:
        raise Conflict(
            _("The update is %(lower)s: nothing is copied any more. Nothing was changed.")
            % {"lower": update.get_state_display().lower()}
        )
    if not replica.server.replicates:
        raise Conflict(
            _("%(server)s is left out of content replication. Nothing was changed.")
            % {"server": replica.server},
            action=_("Let it take part on the Settings tab of the server first."),
        )
    note = f"{replica.server} at {now.isoformat()}"
    Replica.objects.move(replica, R.PENDING, note=note, reason="", progress=0)
    ask([replica.server])


@transaction.atomic
def replicate_now(update: SystemUpdate, *, now: datetime) -> None:
    """Ask every content server that lacks the content to fetch it at once."""
    Entry.objects.queue()
    for replica in update.replicas.filter(state=R.FAILED):
        Replica.objects.move(replica, R.PENDING, reason="")
    ask([row.server for row in update.replicas.missing().select_related("server")])
    Entry.objects.record(
        "replicate-now", f"systemupdates.SystemUpdate:{update.pk}", note=now.isoformat()
    )
