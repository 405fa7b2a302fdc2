"""Replication status of an update: the state of each content server and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from console.pages import formatting
from devices.models import Device, Role, Zone
from devices.registration.states import DeviceState
from systemupdates.models import Replica, SystemUpdate
from systemupdates.remint_tool import build
from systemupdates.updates.states import MISSING, UPDATE_CLOSED, ReplicaState

R = ReplicaState
TONES = {R.AVAILABLE: "ok", R.REPLICATING: "busy", R.FAILED: "bad"}


@dataclass(frozen=True)
class ReplicaRow:
    """The replication status of one content server."""

    replica: Replica
    label: str
    tone: str
    todo: str
    """What happens next or what an administrator can do, "" if nothing."""
    blocks: bool
    """Whether the automatic assignment is waiting for this server."""
    may_exclude: bool
    may_include: bool
    tool_url: str
    """Download page of the Certificate Remint Tool, "" if the server does not offer it."""
    tool_download_url: str
    """Address of the tool over HTTP, because TLS might not work on the device, or ""."""


def get_replica_rows(update: SystemUpdate, zone: Zone, now: datetime) -> list[ReplicaRow]:
    """Return the content servers of an update. Servers that block the assignment come first."""
    replicas = update.replicas.select_related("server", "server__parent").order_by("server__name")
    rows = [build_row(replica, update, zone, now) for replica in replicas]
    return sorted(rows, key=lambda row: not row.blocks)


def build_row(replica: Replica, update: SystemUpdate, zone: Zone, now: datetime) -> ReplicaRow:
    """Return the replication status of one content server."""
    server, state = replica.server, R(replica.state)
    is_registered = server.state == DeviceState.REGISTERED
    is_missing = state in MISSING
    can_change = update.state not in UPDATE_CLOSED
    online = server.is_online(now, max(zone.refresh, server.get_replication_interval(zone)))
    offline = is_missing and not online
    return ReplicaRow(
        replica=replica,
        label=_label(replica, offline=offline),
        tone="bad" if offline else TONES.get(state, ""),
        todo=(
            _get_next_step(replica, zone, now, offline=offline)
            if is_missing and is_registered
            else _get_note(replica)
        ),
        blocks=is_missing and is_registered and update.assigned_at is None,
        may_exclude=is_missing and can_change,
        may_include=state == R.EXCLUDED and can_change,
        tool_url=_tool_url(replica),
        tool_download_url=_tool_download_url(replica),
    )


def _label(replica: Replica, *, offline: bool) -> str:
    if offline:
        return _("Offline")
    if replica.state == R.REPLICATING:
        return f"{replica.get_state_display()} ({replica.progress}%)"
    return replica.get_state_display()


def _get_next_step(replica: Replica, zone: Zone, now: datetime, *, offline: bool) -> str:
    """Return the next step for a server that does not have the content."""
    server = replica.server
    if offline:
        return _(
            "Start the agent on the server, or exclude the server. Its "
            "devices then use another content server."
        )
    if replica.state == R.FAILED:
        return _("The server retries automatically. To retry immediately, click Replicate Now.")
    interval = server.get_replication_interval(zone)
    due = (server.last_contact or now) + interval * 1.2
    source = _source(server, zone, now)
    if due < now:
        return _("Copies from %(source)s at the next contact, which is overdue.") % {
            "source": source
        }
    return _("Scheduled to copy from %(source)s by %(when)s.") % {
        "source": source,
        "when": formatting.clock(due),
    }


def _source(server: Device, zone: Zone, now: datetime) -> str:
    """Return from where a server copies. It does not wait for a parent that is offline."""
    parent = server.parent
    if parent is None:
        return _("the initiating server")
    interval = max(zone.refresh, parent.get_replication_interval(zone))
    return parent.name if parent.is_online(now, interval) else _("another server")


def _get_note(replica: Replica) -> str:
    if replica.server.state != DeviceState.REGISTERED:
        return _("The server has left the zone. Nothing is waiting for it.")
    if replica.state == R.EXCLUDED:
        return _("Its devices get the content from another server.")
    return ""


def _tool_url(replica: Replica) -> str:
    """Return the URL of the download page, which only Primary Servers have."""
    server = replica.server
    if not replica.tool_sha256 or server.role != Role.PRIMARY:
        return ""
    base = server.get_url(server.port, "https")
    return f"{base}/zenworks-setup/" if base else ""


def _tool_download_url(replica: Replica) -> str:
    base = replica.server.get_url(replica.server.content_port, "http")
    name = build.get_name(replica.update)
    return f"{base}/zenworks-setup/{name}" if base and _tool_url(replica) else ""
