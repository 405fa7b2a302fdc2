"""Where the content of an update is: each server, what it waits for, what can be done (R049)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from console.pages import formatting
from devices.models import Device, Role, Zone
from systemupdates.models import Replica, SystemUpdate
from systemupdates.updates.states import ReplicaState

R = ReplicaState
TONES = {R.AVAILABLE: "ok", R.REPLICATING: "busy", R.FAILED: "bad"}


@dataclass(frozen=True)
class Row:
    """One content server as the replication status shows it (D-34)."""

    replica: Replica
    label: str
    tone: str
    todo: str
    """What is going on or what can be done, in one sentence; "" where all is well."""
    blocks: bool
    """The update is not assigned by itself before this server has the content."""
    may_exclude: bool
    may_include: bool
    tool_url: str
    """Where the server offers the Certificate Remint Tool of this update; "" while it does not."""


def standing(update: SystemUpdate, zone: Zone, now: datetime) -> list[Row]:
    """Return every content server of an update; what blocks comes first."""
    replicas = update.replicas.select_related("server", "server__parent").order_by("server__name")
    rows = [row(replica, update, zone, now) for replica in replicas]
    return sorted(rows, key=lambda one: not one.blocks)


def row(replica: Replica, update: SystemUpdate, zone: Zone, now: datetime) -> Row:
    """Return how one content server of an update stands."""
    server, state = replica.server, R(replica.state)
    belongs = server.state == "registered"
    lacks = state in (R.PENDING, R.REPLICATING, R.FAILED)
    live = server.is_live(now, max(zone.refresh, server.replication_interval(zone)))
    blocks = lacks and belongs and update.assigned_at is None
    offline = lacks and not live
    return Row(
        replica=replica,
        label=_label(replica, offline=offline),
        tone="bad" if offline else TONES.get(state, ""),
        todo=_todo(replica, zone, now, offline=offline) if lacks and belongs else _rest(replica),
        blocks=blocks,
        may_exclude=lacks and update.state not in ("canceled", "baselined"),
        may_include=state == R.EXCLUDED and update.state not in ("canceled", "baselined"),
        tool_url=_tool_url(replica),
    )


def _label(replica: Replica, *, offline: bool) -> str:
    if offline:
        return _("Offline")
    if replica.state == R.REPLICATING:
        return f"{replica.get_state_display()} ({replica.progress}%)"
    return replica.get_state_display()


def _todo(replica: Replica, zone: Zone, now: datetime, *, offline: bool) -> str:
    """Return what a server that lacks the content waits for, and what can be done."""
    server = replica.server
    if offline:
        return _("Start its agent, or exclude the server: its devices fetch from another one.")
    if replica.state == R.FAILED:
        return _("It tries again by itself, at once with “Replicate now”.")
    interval = server.replication_interval(zone)
    due = (server.last_contact or now) + interval * 1.2
    source = _source(server)
    if due < now:
        return _("It copies from %(source)s at its next contact, which is due.") % {
            "source": source
        }
    return _("It copies from %(source)s by %(when)s.") % {
        "source": source,
        "when": formatting.clock(due),
    }


def _source(server: Device) -> str:
    parent = server.parent
    return parent.name if parent is not None else _("the initiating server")


def _rest(replica: Replica) -> str:
    if replica.server.state != "registered":
        return _("The server has left the zone; nothing waits for it.")
    if replica.state == R.EXCLUDED:
        return _("Its devices fetch the content from another server.")
    return ""


def _tool_url(replica: Replica) -> str:
    """Return the address of the download page (R211); Primary Servers alone have one."""
    server = replica.server
    if not replica.tool_sha256 or server.role != Role.PRIMARY:
        return ""
    base = server.address(server.port, "https")
    return f"{base}/zenworks-setup/" if base else ""
