"""Offer an upgrade to the agent of a device at its refresh, and save the result that it reports.

See: D-222
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from django.db.models import QuerySet

from audit.chain.states import InvalidTransition
from certificates.agent_upgrades.states import TargetState, UpgradeState
from certificates.models.agent_upgrade import AgentUpgrade, AgentUpgradeTarget
from devices.models import Device, Zone
from systemupdates.models import Assignment
from systemupdates.updates.states import SETTLED, UpdateState
from wire.messages import PRIMARY, RefreshRequest
from wire.update_messages import NOT_UPGRADED, AgentOffer, ReplicationRequest

ENDED = (UpdateState.COMPLETED, UpdateState.BASELINED, UpdateState.CANCELED)
MAX_REASON = 500


def save_result(device: Device, report: RefreshRequest, *, now: datetime) -> None:
    """Save that a device runs the new version, or why it returned to the previous one."""
    result = report.agent_upgrade
    has_failed = result is not None and result.state == NOT_UPGRADED
    # Any other refresh of an upgraded device needs no query.
    if not (device.has_pending_work or has_failed):
        return
    rows = AgentUpgradeTarget.objects.filter(
        device=device, state__in=(TargetState.OFFERED, TargetState.UPGRADED)
    )
    open_rows = rows.filter(upgrade__in=AgentUpgrade.objects.open()).select_related("upgrade")
    for row in open_rows:
        # The same device may have reported it in a concurrent request.
        with suppress(InvalidTransition):
            if result is not None and has_failed and result.id == str(row.upgrade_id):
                _move(row, TargetState.FAILED, now, result.detail[:MAX_REASON])
            elif report.agent == row.upgrade.version and row.state == TargetState.OFFERED:
                _move(row, TargetState.UPGRADED, now, "")


def _move(row: AgentUpgradeTarget, state: TargetState, now: datetime, reason: str) -> None:
    AgentUpgradeTarget.objects.transition(
        row, state, note=reason, reported_by=row.device_id, changed_at=now, reason=reason
    )


def get_offer(device: Device) -> tuple[AgentOffer | None, bool]:
    """Return the offer for a device, and whether it has an upgrade without a result.

    There is no offer while an update of certificates is open on the device.
    """
    row = list_offered(device).select_related("upgrade").first()
    if row is None:
        return None, False
    if row.upgrade.state != UpgradeState.RUNNING or _has_open_update(device):
        return None, True
    return build_offer(row.upgrade), True


def list_offered(device: Device) -> QuerySet[AgentUpgradeTarget]:
    """Return what a device must still install of the upgrades that have not ended."""
    return AgentUpgradeTarget.objects.filter(
        device=device, state=TargetState.OFFERED, upgrade__in=AgentUpgrade.objects.open()
    )


def build_offer(upgrade: AgentUpgrade) -> AgentOffer:
    """Return the offer of an upgrade."""
    return AgentOffer(
        id=str(upgrade.pk),
        version=upgrade.version,
        sha256=upgrade.sha256,
        size=upgrade.size,
        signature=upgrade.signature,
        second_signature=upgrade.second_signature,
    )


def list_replication_requests(device: Device, stored: Collection[str]) -> list[ReplicationRequest]:
    """Return the file of the open upgrade if a content server does not have it."""
    upgrade = AgentUpgrade.objects.filter(
        state__in=(UpgradeState.RUNNING, UpgradeState.PAUSED)
    ).first()
    if upgrade is None or upgrade.sha256 in stored:
        return []
    rate = device.get_bandwidth(Zone.objects.get_zone())
    return [ReplicationRequest(str(upgrade.pk), upgrade.sha256, upgrade.size, rate=rate)]


def list_withdrawn_digests(device: Device, stored: Collection[str]) -> list[str]:
    """Return the digests of files that a satellite has stored, and whose upgrade has ended.

    A Primary Server keeps them: it offers its own agent for download.
    """
    if device.role == PRIMARY:
        return []
    ended = AgentUpgrade.objects.filter(sha256__in=stored, ended_at__isnull=False)
    digests = set(ended.values_list("sha256", flat=True))
    needed = AgentUpgrade.objects.open().values_list("sha256", flat=True)
    return sorted(digests - set(needed))


def _has_open_update(device: Device) -> bool:
    rows = Assignment.objects.filter(device=device).exclude(state__in=SETTLED)
    return rows.exclude(update__state__in=ENDED).exists()
