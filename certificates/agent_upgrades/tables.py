"""The tables of upgrades of agents, and of the devices of one."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.agent_upgrades.states import TargetState, UpgradeState
from console.pages.listing import Table
from console.pages.tables import Column

UPGRADES = Table(
    "agent-upgrades",
    (
        Column("version", _("Version"), "version"),
        Column("state", _("Status"), "state"),
        Column("by", _("Requested by"), "requested_by__username"),
        Column("start", _("Start"), "starts_at"),
        Column("end", _("End"), "ended_at"),
    ),
    (
        (_("Version"), lambda upgrade: upgrade.version),
        (_("Status"), lambda upgrade: upgrade.get_state_display()),
        (_("Requested by"), lambda upgrade: upgrade.requested_by or ""),
        (_("Approved by"), lambda upgrade: upgrade.approved_by or ""),
        (_("Start"), lambda upgrade: upgrade.starts_at),
        (_("End"), lambda upgrade: upgrade.ended_at),
        (_("Reason"), lambda upgrade: upgrade.reason),
        (_("SHA-256"), lambda upgrade: upgrade.sha256),
    ),
)
TARGETS = Table(
    "agent-upgrade-devices",
    (
        Column("name", _("Device"), "device__name"),
        Column("pilot", _("Group"), "is_pilot"),
        Column("state", _("Status"), "state"),
        Column("version", _("Version"), "device__version"),
        Column("changed", _("Last changed"), "changed_at"),
        Column("contact", _("Last contact"), "device__last_contact"),
    ),
    (
        (_("Device"), lambda row: row.device.name),
        (_("Role"), lambda row: row.device.get_role_display()),
        (_("Group"), lambda row: _("Pilot") if row.is_pilot else _("Others")),
        (_("Status"), lambda row: row.get_state_display()),
        (_("Reason"), lambda row: row.reason),
        (_("Previous version"), lambda row: row.previous_version),
        (_("Version"), lambda row: row.device.version),
        (_("Last changed"), lambda row: row.changed_at),
        (_("Last contact"), lambda row: row.device.last_contact),
    ),
)
# The classes of the states in the table, and of the badges of upgrades.
TARGET_TONES = {TargetState.UPGRADED: "ok", TargetState.FAILED: "bad"}
UPGRADE_TONES = {
    UpgradeState.PROPOSED: "warn",
    UpgradeState.PAUSED: "warn",
    UpgradeState.COMPLETED: "good",
    UpgradeState.CANCELED: "",
    UpgradeState.SCHEDULED: "wait",
    UpgradeState.RUNNING: "wait",
}
