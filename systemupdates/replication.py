"""Replication: which content server must hold which content, and who has it (D-34, D-35)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from django.db import transaction

from devices.models import Device
from ledger.machine import WrongMove
from ledger.models import Entry
from systemupdates.machine import ReplicaState
from systemupdates.models import Replica, ReplicaQuerySet, SystemUpdate
from wire import messages


def start(update: SystemUpdate) -> None:
    """Make a replica row for each content server; the initiating server has the content already."""
    servers = list(Device.objects.content_servers())
    Replica.objects.bulk_create(
        [
            Replica(
                update=update,
                server=server,
                state=ReplicaState.AVAILABLE
                if server.pk == update.initiating_server_id
                else ReplicaState.PENDING,
                progress=100 if server.pk == update.initiating_server_id else 0,
            )
            for server in servers
        ],
        ignore_conflicts=True,
    )
    Device.objects.filter(pk__in=[server.pk for server in servers]).update(errands=True)


def wanted_by(server: Device) -> list[messages.Replicate]:
    """Return the content that a content server has yet to fetch, nearest source first."""
    replicas = (
        Replica.objects.filter(server=server)
        .filter(state__in=(ReplicaState.PENDING, ReplicaState.REPLICATING, ReplicaState.FAILED))
        .select_related("update", "update__initiating_server", "server__parent")
    )
    return [order for replica in replicas for order in _orders(replica)]


def _orders(replica: Replica) -> Iterable[messages.Replicate]:
    sources = [replica.update.initiating_server]
    if replica.server.parent is not None:
        sources.insert(0, replica.server.parent)
    urls = [url for server in sources if (url := server.address(server.content_port, "http"))]
    for file in replica.update.files:
        yield messages.Replicate(
            update=str(replica.update_id), sha256=file["sha256"], size=file["size"], sources=urls
        )


def heard(server: Device, holds: list[str]) -> list[SystemUpdate]:
    """Note what a content server says it holds; returns the updates whose replica moved."""
    if not holds:
        return []
    held = set(holds)
    moved = []
    waiting = Replica.objects.missing().filter(server=server).select_related("update")
    for replica in waiting:
        digests = replica.update.digests()
        share = sum(digest in held for digest in digests)
        if share == len(digests):
            # It may have been excluded or withdrawn at the same moment.
            with suppress(WrongMove):
                Replica.objects.move(replica, ReplicaState.AVAILABLE, progress=100)
                moved.append(replica.update)
        elif share:
            Replica.objects.filter(pk=replica.pk).update(progress=100 * share // len(digests))
    return moved


def withdrawn_from(server: Device) -> list[str]:
    """Return digests that a content server may drop: no update that still counts names them."""
    gone = Replica.objects.filter(server=server, state=ReplicaState.WITHDRAWN)
    kept = Replica.objects.filter(server=server).exclude(state=ReplicaState.WITHDRAWN)
    return sorted(_digests(gone) - _digests(kept))


def _digests(replicas: ReplicaQuerySet) -> set[str]:
    return {d for replica in replicas.select_related("update") for d in replica.update.digests()}


@transaction.atomic
def exclude(replica: Replica, *, now: datetime) -> None:
    """Leave a content server out, so that a dead one does not block for ever (D-35)."""
    Replica.objects.move(
        replica, ReplicaState.EXCLUDED, note=f"{replica.server} at {now.isoformat()}"
    )


@transaction.atomic
def replicate_now(update: SystemUpdate, *, now: datetime) -> None:
    """Ask every content server that lacks the content to fetch it at once."""
    Entry.objects.queue()
    for replica in update.replicas.filter(state=ReplicaState.FAILED):
        Replica.objects.move(replica, ReplicaState.PENDING)
    servers = update.replicas.missing().values("server")
    Device.objects.filter(pk__in=servers).update(errands=True)
    Entry.objects.record(
        "replicate-now", f"systemupdates.SystemUpdate:{update.pk}", note=now.isoformat()
    )
