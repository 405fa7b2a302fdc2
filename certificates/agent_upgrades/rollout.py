"""Advance upgrades of agents: start them, offer them to the pilot and then to the others, end them.

Called by the periodic task. It reads the rows and makes what is due.

See: D-222
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop

from audit.chain.states import InvalidTransition
from certificates.agent_upgrades import upgrades
from certificates.agent_upgrades.states import TargetState, UpgradeState
from certificates.models.agent_upgrade import AgentUpgrade, AgentUpgradeTargetQuerySet
from devices.models import Device
from devices.registration.states import DeviceState
from wire.messages import CONTENT_ROLES

EXPIRED = gettext_noop("No administrator approved it within 24 hours.")
PILOT_FAILED = gettext_noop("The upgrade failed on devices of the pilot.")


def advance_all(now: datetime) -> None:
    """Advance every upgrade that has not ended."""
    for upgrade in AgentUpgrade.objects.open():
        # Another worker, or an administrator, may have changed it.
        with suppress(InvalidTransition):
            advance(upgrade, now=now)


def advance(upgrade: AgentUpgrade, *, now: datetime) -> None:
    """Make what is due for an upgrade."""
    if upgrade.state == UpgradeState.PROPOSED:
        if now - upgrade.created_at >= upgrades.REQUEST_LIFETIME:
            upgrades.cancel(upgrade, now=now, reason=EXPIRED)
    elif upgrade.state == UpgradeState.SCHEDULED:
        if now >= upgrade.starts_at:
            _start(upgrade, now)
    elif upgrade.state == UpgradeState.RUNNING:
        _continue(upgrade, now)


@transaction.atomic
def _start(upgrade: AgentUpgrade, now: datetime) -> None:
    AgentUpgrade.objects.transition(upgrade, UpgradeState.RUNNING)
    # Content servers that copy the file first relieve the Primary Servers.
    servers = Device.objects.registered().filter(role__in=CONTENT_ROLES)
    servers.update(has_pending_work=True, refresh_requested=True)
    if upgrade.targets.filter(is_pilot=True).exists():
        _offer(upgrade.targets.filter(is_pilot=True), now)
    else:
        _start_rest(upgrade, now)


def _continue(upgrade: AgentUpgrade, now: datetime) -> None:
    # In a transaction of its own: rows are locked after the checkpoint of the audit log.
    left = upgrade.targets.unsettled().exclude(device__state=DeviceState.REGISTERED)
    left.update(state=TargetState.SKIPPED, changed_at=now)
    if upgrade.rest_started_at is None:
        pilot = upgrade.targets.filter(is_pilot=True)
        if pilot.filter(state=TargetState.FAILED).exists() and not upgrade.accepts_failures:
            upgrades.pause(upgrade, reason=PILOT_FAILED)
        elif not pilot.unsettled().exists():
            _start_rest(upgrade, now)
    elif not upgrade.targets.unsettled().exists():
        AgentUpgrade.objects.transition(upgrade, UpgradeState.COMPLETED, ended_at=now)


@transaction.atomic
def _start_rest(upgrade: AgentUpgrade, now: datetime) -> None:
    AgentUpgrade.objects.filter(pk=upgrade.pk).update(rest_started_at=now)
    _offer(upgrade.targets.filter(is_pilot=False), now)


def _offer(targets: AgentUpgradeTargetQuerySet, now: datetime) -> None:
    """Offer the upgrade to devices that have not been offered it."""
    pending = targets.filter(state=TargetState.PENDING)
    Device.objects.filter(pk__in=pending.values("device")).update(has_pending_work=True)
    pending.update(state=TargetState.OFFERED, changed_at=now)
