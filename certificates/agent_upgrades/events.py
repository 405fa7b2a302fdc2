"""Notifications about upgrades of agents: devices on which one has failed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit.models import Entry
from certificates.agent_upgrades.states import TargetState
from certificates.models import AgentUpgradeTarget
from certificates.monitoring.device_events import build_url
from notifications.delivery import events
from notifications.delivery.events import Event

SUBJECT = "certificates.AgentUpgradeTarget:"
MAX_NAMED_DEVICES = 20


def build_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each upgrade that has failed on devices since the last run."""
    failed = [
        entry
        for entry in entries
        if entry.subject.startswith(SUBJECT) and entry.there == TargetState.FAILED
    ]
    keys = [int(entry.subject.removeprefix(SUBJECT)) for entry in failed]
    rows = AgentUpgradeTarget.objects.filter(pk__in=keys).select_related("device", "upgrade")
    by_upgrade: dict[Any, list[AgentUpgradeTarget]] = {}
    for row in rows.order_by("device__name"):
        by_upgrade.setdefault(row.upgrade, []).append(row)
    for upgrade, group in by_upgrade.items():
        names = [row.device.name for row in group]
        title = f"The upgrade of agents to {upgrade.version} failed on {len(names)}: {names[0]}"
        lines = [f"{row.device.name}: {row.reason}" for row in group[:MAX_NAMED_DEVICES]]
        if len(names) > MAX_NAMED_DEVICES:
            lines.append(f"and {len(names) - MAX_NAMED_DEVICES} more")
        facts = {
            "upgrade": str(upgrade.pk),
            "version": upgrade.version,
            "failed": len(names),
            "devices": names[:MAX_NAMED_DEVICES],
        }
        text = "\n".join([*lines, "", build_url(f"/devices/agents/{upgrade.pk}/")]).strip()
        key = f"agents-failed:{upgrade.pk}:{failed[-1].seq}"
        yield Event(events.DEVICE_FAILED, key, title, text, facts)
