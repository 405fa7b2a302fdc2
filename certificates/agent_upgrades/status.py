"""The numbers of an upgrade of agents, as pages and the REST API show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from certificates.agent_upgrades import upgrades
from certificates.agent_upgrades.states import TargetState, UpgradeState
from certificates.models.agent_upgrade import AgentUpgrade


@dataclass(frozen=True)
class Progress:
    """The numbers of the devices of an upgrade by state, and of those in its pilot."""

    by_state: dict[str, int]
    total: int
    pilot: int
    pilot_upgraded: int


def count_devices(upgrade: AgentUpgrade) -> Progress:
    """Return the numbers of an upgrade."""
    by_state = {state: Count("pk", filter=Q(state=state)) for state in TargetState.values}
    numbers: dict[str, Any] = upgrade.targets.aggregate(
        **by_state,
        total=Count("pk"),
        pilot=Count("pk", filter=Q(is_pilot=True)),
        pilot_upgraded=Count("pk", filter=Q(is_pilot=True, state=TargetState.UPGRADED)),
    )
    return Progress(
        by_state={state: numbers[state] for state in TargetState.values},
        total=numbers["total"],
        pilot=numbers["pilot"],
        pilot_upgraded=numbers["pilot_upgraded"],
    )


def find_request(now: datetime) -> AgentUpgrade | None:
    """Return the upgrade that is waiting for approval by a second administrator, or None."""
    since = now - upgrades.REQUEST_LIFETIME
    return AgentUpgrade.objects.filter(state=UpgradeState.PROPOSED, created_at__gt=since).first()
