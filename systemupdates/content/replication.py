"""Replication of content to content servers.

See: D-34; D-35
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.chain.states import InvalidTransition
from audit.models import Entry
from devices.models import Device, Zone
from faults import Conflict
from systemupdates.models import Assignment, Replica, ReplicaQuerySet, SystemUpdate
from systemupdates.updates.states import MISSING, UPDATE_CLOSED, AssignmentState, ReplicaState
from wire.update_messages import ReplicaProgress, ReplicationRequest

R = ReplicaState
EXCLUDED_REASON = gettext_noop("Excluded from content replication in the server's settings.")
# A server might send a report that it created before the replica was available.
REPORT_DELAY = timedelta(minutes=1)
# The step at which the agent downloads content.
DOWNLOAD_STEP = "offered"


def create_replicas(update: SystemUpdate) -> None:
    """Create a replica for each content server. The initiating server already has the content."""
    servers = list(Device.objects.content_servers())
    Replica.objects.bulk_create(
        [_build_replica(update, server) for server in servers], ignore_conflicts=True
    )
    request_replication([server for server in servers if server.replicates])


def _build_replica(update: SystemUpdate, server: Device) -> Replica:
    if server.pk == update.initiating_server_id:
        return Replica(update=update, server=server, state=R.AVAILABLE, progress=100)
    if not server.replicates:
        return Replica(update=update, server=server, state=R.EXCLUDED, reason=EXCLUDED_REASON)
    return Replica(update=update, server=server, state=R.PENDING)


def create_replicas_for_server(server: Device) -> None:
    """Create the replicas of all open updates for a new content server."""
    rows = SystemUpdate.objects.visible().exclude(state__in=UPDATE_CLOSED).exclude(files=[])
    missing = rows.exclude(replicas__server=server)
    Replica.objects.bulk_create(
        [_build_replica(update, server) for update in missing], ignore_conflicts=True
    )


def request_replication(servers: Iterable[Device]) -> None:
    """Request that content servers replicate at their next contact, Primary Servers immediately."""
    Device.objects.filter(pk__in=[server.pk for server in servers]).update(
        has_pending_work=True, refresh_requested=True
    )


def get_replication_requests(server: Device) -> list[ReplicationRequest]:
    """Return the files that a content server must still copy, with the nearest source first."""
    replicas = list(
        Replica.objects.filter(server=server, state__in=MISSING).select_related(
            "update", "update__initiating_server", "server__parent"
        )
    )
    if not replicas:
        return []
    rate = server.get_bandwidth(Zone.objects.get_zone())
    servers = _get_servers_with_content([replica.update for replica in replicas])
    return [
        request
        for replica in replicas
        for request in _build_requests(replica, servers[replica.update_id], rate)
    ]


def _get_servers_with_content(updates: Iterable[SystemUpdate]) -> Mapping[UUID, list[Device]]:
    """Return the servers that have the content of each update, as alternative sources."""
    found: dict[UUID, list[Device]] = {update.pk: [] for update in updates}
    rows = Replica.objects.filter(
        update__in=list(found), state=R.AVAILABLE, server__state="registered"
    )
    for row in rows.select_related("server").order_by("server__role", "server__name"):
        found[row.update_id].append(row.server)
    return found


def _build_requests(
    replica: Replica, others: list[Device], rate: int
) -> Iterable[ReplicationRequest]:
    """Yield a request for each file: from the parent, the initiating server, or another server."""
    sources = [replica.server.parent, replica.update.initiating_server, *others]
    servers = [source for source in sources if source and source.pk != replica.server_id]
    urls = [url for server in servers if (url := server.get_url(server.content_port, "http"))]
    for file in replica.update.files:
        yield ReplicationRequest(
            update=str(replica.update_id),
            sha256=file["sha256"],
            size=file["size"],
            sources=[f"{url}/content/{file['sha256']}" for url in dict.fromkeys(urls)],
            rate=rate,
        )


def save_replication_report(
    server: Device, stored: list[str], copies: list[ReplicaProgress], *, now: datetime
) -> list[SystemUpdate]:
    """Save the replication report of a server. Return the updates that became available on it."""
    digests, progress = set(stored), {copy.sha256: copy for copy in copies}
    completed = []
    rows = Replica.objects.filter(server=server, state__in=(*MISSING, R.AVAILABLE))
    for replica in rows.select_related("update"):
        is_complete = digests.issuperset(replica.update.digests())
        # The replica might be excluded or withdrawn at the same time.
        with suppress(InvalidTransition):
            if replica.state == R.AVAILABLE:
                _request_missing_content(replica, is_complete=is_complete, now=now)
            elif is_complete:
                Replica.objects.transition(
                    replica, R.AVAILABLE, reported_by=server.pk, progress=100, reason=""
                )
                _retry_failed_devices(replica.update)
                completed.append(replica.update)
            else:
                _save_progress(replica, digests, progress)
    return completed


def _request_missing_content(replica: Replica, *, is_complete: bool, now: datetime) -> None:
    """Replicate content again that is missing on a server, for example after a restore."""
    if is_complete or now - replica.changed_at < REPORT_DELAY or not replica.update.files:
        return
    Replica.objects.transition(
        replica,
        R.PENDING,
        note="content is missing",
        reported_by=replica.server_id,
        progress=0,
        tool_sha256="",
    )
    Device.objects.filter(pk=replica.server_id).update(has_pending_work=True)


def _save_progress(
    replica: Replica, digests: set[str], progress: dict[str, ReplicaProgress]
) -> None:
    files = replica.update.files
    none = ReplicaProgress("")
    got = sum(
        file["size"]
        if file["sha256"] in digests
        else min(progress.get(file["sha256"], none).received, file["size"])
        for file in files
    )
    share = min(99, 100 * got // max(1, sum(file["size"] for file in files)))
    errors = [progress.get(file["sha256"], none).error for file in files]
    reason = next(filter(None, errors), "")
    state = R.FAILED if reason else R.REPLICATING if share else R(replica.state)
    if state != replica.state:
        Replica.objects.transition(
            replica, state, reported_by=replica.server_id, progress=share, reason=reason[:500]
        )
    elif (share, reason) != (replica.progress, replica.reason):
        Replica.objects.filter(pk=replica.pk).update(progress=share, reason=reason[:500])


def _retry_failed_devices(update: SystemUpdate) -> None:
    """Retry the update automatically on devices that failed to download its content (D-38)."""
    rows = Assignment.objects.filter(
        update=update, state=AssignmentState.FAILED, step=DOWNLOAD_STEP, redeploy=False
    )
    Device.objects.filter(pk__in=rows.values("device")).update(
        has_pending_work=True, refresh_requested=True
    )
    rows.update(redeploy=True)


def get_withdrawn_digests(server: Device) -> list[str]:
    """Return the digests of files that a content server can delete."""
    withdrawn = Replica.objects.filter(server=server, state=R.WITHDRAWN)
    kept = Replica.objects.filter(server=server).exclude(state=R.WITHDRAWN)
    return sorted(_digests(withdrawn) - _digests(kept))


def _digests(replicas: ReplicaQuerySet) -> set[str]:
    return {
        digest
        for replica in replicas.select_related("update")
        for digest in replica.update.digests()
    }


@transaction.atomic
def exclude(replica: Replica, *, now: datetime) -> None:
    """Exclude a content server from an update, so that it does not block the assignment.

    Raises Conflict if the server has the content: it might be the source for other servers.
    """
    if replica.state == R.AVAILABLE:
        raise Conflict(
            _("%(server)s already has the content. Nothing was changed.")
            % {"server": replica.server},
            action=_("You can exclude only a server that does not have the content yet."),
        )
    Replica.objects.transition(replica, R.EXCLUDED, note=f"{replica.server} at {now.isoformat()}")


@transaction.atomic
def include(replica: Replica, *, now: datetime) -> None:
    """Include an excluded content server in an update again, so that it receives the content."""
    update = replica.update
    if replica.state != R.EXCLUDED:
        raise Conflict(
            _("%(server)s is not excluded from this update. Nothing was changed.")
            % {"server": replica.server},
            action=_("Reload the page to see the current status of the server."),
        )
    if update.state in UPDATE_CLOSED or update.deleted_at is not None:
        raise Conflict(
            _(
                "The status of the update is “%(state)s”, so its content is no longer "
                "replicated. Nothing was changed."
            )
            % {"state": update.get_state_display()}
        )
    if not replica.server.replicates:
        raise Conflict(
            _("%(server)s does not participate in content replication. Nothing was changed.")
            % {"server": replica.server},
            action=_("Turn on content replication on the Settings tab of the server first."),
        )
    note = f"{replica.server} at {now.isoformat()}"
    Replica.objects.transition(replica, R.PENDING, note=note, reason="", progress=0)
    request_replication([replica.server])


@transaction.atomic
def replicate_now(update: SystemUpdate, *, now: datetime) -> None:
    """Request that every content server without the content replicates it immediately."""
    Entry.objects.lock_checkpoint()
    for replica in update.replicas.filter(state=R.FAILED):
        Replica.objects.transition(replica, R.PENDING, reason="")
    request_replication([row.server for row in update.replicas.missing().select_related("server")])
    Entry.objects.record(
        "replicate-now", f"systemupdates.SystemUpdate:{update.pk}", note=now.isoformat()
    )
