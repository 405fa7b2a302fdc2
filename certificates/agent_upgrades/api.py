"""REST API of upgrades of agents.

See: D-222
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from certificates.agent_upgrades import selection, status, upgrades
from certificates.agent_upgrades.selection import PERCENT, Choice
from certificates.agent_upgrades.upgrades import UpgradeSettings
from certificates.authority import gates
from certificates.models import AgentUpgrade
from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    Text,
    Timestamp,
    get_by_guid,
    paginate,
    require,
)
from devices.models import Device, Role

router = Router(tags=["agent upgrades"])
MAY_UPGRADE = require(gates.DEPLOY_RIGHT)
# New programs on devices: a session needs a recent authentication.
MAY_START = require(gates.DEPLOY_RIGHT, reauthenticated=True)
MAY_APPROVE = require(gates.CA_RIGHT, reauthenticated=True)
PATH = "/agent-upgrades/{upgrade_id}"
MAX_DEVICES = 10_000


class OlderAgentOut(Schema):
    """A device whose agent is older than the console.

    `upgraded_with` is console, apt, dnf, or manual (the commands of Add Devices).
    """

    id: UUID
    name: str
    role: str
    version: str
    upgraded_with: str


class AgentUpgradeOut(Schema):
    """An upgrade of agents, and the number of its devices by state."""

    id: UUID
    state: str
    version: str
    sha256: str
    created_at: datetime
    starts_at: datetime
    rest_started_at: datetime | None = Field(
        description="when the devices that are not in the pilot were included"
    )
    ended_at: datetime | None
    requested_by: str
    approved_by: str
    reason: str
    pilot: int
    devices: dict[str, int]


class AgentUpgradeDeviceOut(Schema):
    """A device of an upgrade. `version` is the one that it reported last."""

    id: UUID
    name: str
    state: str
    is_pilot: bool
    previous_version: str
    version: str
    changed_at: datetime
    reason: str


class AgentUpgradeIn(RequestBody):
    """What to upgrade. Without names and roles, all agents that the console can upgrade.

    `pilot` or `pilot_percent` devices are upgraded first. Without `starts_at`, it starts now.
    """

    devices: list[Text] = Field(default_factory=list, max_length=MAX_DEVICES)
    roles: list[Role] = Field(default_factory=list)
    pilot: int = Field(0, ge=0, le=MAX_DEVICES)
    pilot_percent: int = Field(0, ge=0, le=PERCENT)
    starts_at: Timestamp | None = None


def _serialize(upgrade: AgentUpgrade) -> dict[str, Any]:
    numbers = status.count_devices(upgrade)
    names = ("state", "version", "sha256", "created_at", "starts_at", "rest_started_at")
    return {
        "id": upgrade.pk,
        **{name: getattr(upgrade, name) for name in (*names, "ended_at", "reason")},
        "requested_by": upgrade.requested_by.username if upgrade.requested_by else "",
        "approved_by": upgrade.approved_by.username if upgrade.approved_by else "",
        "pilot": numbers.pilot,
        "devices": numbers.by_state,
    }


def _find(upgrade_id: str) -> AgentUpgrade:
    rows = AgentUpgrade.objects.select_related("requested_by", "approved_by")
    return get_by_guid(rows, upgrade_id)


@router.get("/older-agents", response=list[OlderAgentOut])
def list_older_agents(request: HttpRequest) -> Any:
    """List the devices whose agent is older than the console, and how it is upgraded."""
    found = selection.list_older_agents()
    groups: dict[str, list[Device]] = {
        "console": found.upgradable,
        "apt": found.deb,
        "dnf": found.rpm,
        "manual": found.others,
    }
    return [
        {
            "id": device.pk,
            "name": device.name,
            "role": device.role,
            "version": device.version,
            "upgraded_with": key,
        }
        for key, devices in groups.items()
        for device in devices
    ]


@router.get("/agent-upgrades", response=Page[AgentUpgradeOut])
def list_upgrades(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List upgrades of agents. The newest one comes first."""
    page = paginate(AgentUpgrade.objects.select_related("requested_by", "approved_by"), paging)
    return {**page, "items": [_serialize(upgrade) for upgrade in page["items"]]}


@router.post("/agent-upgrades", response={201: AgentUpgradeOut}, auth=MAY_START)
def start_upgrade(request: Any, body: AgentUpgradeIn) -> Any:
    """Start an upgrade. With two-administrator approval, it is only requested."""
    settings = UpgradeSettings(
        choice=Choice(names=body.devices, roles=[role.value for role in body.roles]),
        pilot=body.pilot,
        pilot_percent=body.pilot_percent,
        starts_at=body.starts_at,
    )
    upgrade = upgrades.start(settings, by=request.user, now=timezone.now())
    return Status(201, _serialize(upgrade))


@router.get(PATH, response=AgentUpgradeOut)
def show_upgrade(request: HttpRequest, upgrade_id: str) -> Any:
    """Get an upgrade."""
    return _serialize(_find(upgrade_id))


@router.get(f"{PATH}/devices", response=Page[AgentUpgradeDeviceOut])
def list_devices(request: HttpRequest, upgrade_id: str, paging: Query[Paging]) -> Any:
    """List the devices of an upgrade. The pilot comes first."""
    page = paginate(_find(upgrade_id).targets.select_related("device"), paging)
    names = ("state", "is_pilot", "previous_version", "changed_at", "reason")
    items = [
        {
            "id": row.device_id,
            "name": row.device.name,
            "version": row.device.version,
            **{name: getattr(row, name) for name in names},
        }
        for row in page["items"]
    ]
    return {**page, "items": items}


@router.post(f"{PATH}/confirm", response=AgentUpgradeOut, auth=MAY_APPROVE)
def approve_upgrade(request: Any, upgrade_id: str) -> Any:
    """Approve an upgrade as the second administrator."""
    upgrade = _find(upgrade_id)
    upgrades.approve(upgrade, by=request.user, now=timezone.now())
    return _serialize(upgrade)


@router.post(f"{PATH}/pause", response=AgentUpgradeOut, auth=MAY_UPGRADE)
def pause_upgrade(request: HttpRequest, upgrade_id: str) -> Any:
    """Pause an upgrade. Devices that have received the new version continue."""
    upgrade = _find(upgrade_id)
    upgrades.pause(upgrade)
    return _serialize(upgrade)


@router.post(f"{PATH}/resume", response=AgentUpgradeOut, auth=MAY_UPGRADE)
def resume_upgrade(request: HttpRequest, upgrade_id: str) -> Any:
    """Resume a paused upgrade, also after a failure in the pilot."""
    upgrade = _find(upgrade_id)
    upgrades.resume(upgrade)
    return _serialize(upgrade)


@router.post(f"{PATH}/cancel", response=AgentUpgradeOut, auth=MAY_UPGRADE)
def cancel_upgrade(request: HttpRequest, upgrade_id: str) -> Any:
    """Cancel an upgrade, or reject a requested one. Upgraded agents keep the new version."""
    upgrade = _find(upgrade_id)
    upgrades.cancel(upgrade, now=timezone.now())
    return _serialize(upgrade)
