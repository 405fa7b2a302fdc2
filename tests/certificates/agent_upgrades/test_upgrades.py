"""Start, approve, pause, resume, and cancel an upgrade of agents."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from administrators.models import Policies
from audit.chain.states import InvalidTransition
from audit.models import Entry
from certificates.agent_upgrades import rollout, upgrades
from certificates.agent_upgrades.selection import Choice
from certificates.agent_upgrades.states import TargetState, UpgradeState
from certificates.agent_upgrades.upgrades import UpgradeSettings
from certificates.models import AgentUpgrade
from faults import Conflict, Forbidden, Invalid, Refused, Unavailable
from systemupdates.downloads import agent, publication
from tests.certificates.agent_upgrades.conftest import Agent
from tests.support import factories
from wire.metadata import sha256

CA = "certificates.certificate_authority"


def start(**values: Any) -> AgentUpgrade:
    by = factories.user("starter")
    return upgrades.start(UpgradeSettings(**values), by=by, now=timezone.now())


def test_an_upgrade_is_that_of_the_agent_that_this_server_offers(pcs: list[Agent]) -> None:
    upgrade = start(pilot=1)
    data = agent.build_agent()
    assert (upgrade.version, upgrade.sha256) == (agent.get_version(), sha256(data))
    assert (upgrade.size, upgrade.state) == (len(data), UpgradeState.SCHEDULED)
    assert upgrade.signature == publication.read_file(agent.NAME).signature
    assert [row.device.name for row in upgrade.targets.filter(is_pilot=True)] == ["pc-4"]
    assert upgrade.targets.filter(state=TargetState.PENDING).count() == 4
    entry = Entry.objects.get(subject=f"certificates.AgentUpgrade:{upgrade.pk}")
    assert entry.action == upgrades.START
    assert entry.detail == {"version": upgrade.version, "devices": 4, "pilot": 1}


def test_a_pilot_of_all_devices_is_no_pilot(pcs: list[Agent]) -> None:
    assert not start(pilot=4).targets.filter(is_pilot=True).exists()


def test_only_one_upgrade_is_under_way(pcs: list[Agent]) -> None:
    first = start(choice=Choice(names=("pc-1",)))
    with pytest.raises(Conflict, match="Another upgrade"):
        upgrades.start(UpgradeSettings(), by=None, now=timezone.now())
    upgrades.cancel(first, now=timezone.now())
    upgrades.start(UpgradeSettings(), by=None, now=timezone.now())


@pytest.mark.parametrize("part", ["setup", "content"])
def test_an_agent_that_is_not_published_is_not_offered(pcs: list[Agent], part: str) -> None:
    folder = Path(settings.SERVER_HOME) / part
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(Unavailable, match="not available for download"):
        start()
    assert not AgentUpgrade.objects.exists()


def test_the_start_is_limited(pcs: list[Agent]) -> None:
    with pytest.raises(Invalid) as raised:
        start(starts_at=timezone.now() + timedelta(days=91))
    assert raised.value.field == "starts_at"


@pytest.fixture
def proposed(pcs: list[Agent]) -> AgentUpgrade:
    """Return an upgrade that waits for a second administrator."""
    policies = Policies.objects.get_current()
    policies.two_administrators = True
    policies.save()
    upgrade = start()
    assert upgrade.state == UpgradeState.PROPOSED
    return upgrade


def test_with_the_rule_of_two_a_second_administrator_approves(proposed: AgentUpgrade) -> None:
    now = timezone.now()
    rollout.advance(proposed, now=now)
    assert proposed.state == UpgradeState.PROPOSED, "it does not start before"
    assert proposed.requested_by is not None
    with pytest.raises(Refused):
        upgrades.approve(proposed, by=proposed.requested_by, now=now)
    with pytest.raises(Forbidden):
        upgrades.approve(proposed, by=factories.user("other"), now=now)
    second = factories.user("second", CA)
    upgrades.approve(proposed, by=second, now=now)
    assert (proposed.state, proposed.approved_by) == (UpgradeState.SCHEDULED, second)
    with pytest.raises(upgrades.NotPending):
        upgrades.approve(proposed, by=second, now=now)


def test_a_request_expires(proposed: AgentUpgrade) -> None:
    later = timezone.now() + timedelta(hours=24, seconds=1)
    with pytest.raises(upgrades.NotPending):
        upgrades.approve(proposed, by=factories.user("second", CA), now=later)
    rollout.advance_all(later)
    proposed.refresh_from_db()
    assert (proposed.state, proposed.reason) == (UpgradeState.CANCELED, rollout.EXPIRED)


def test_a_canceled_upgrade_skips_its_devices_and_is_final(pcs: list[Agent]) -> None:
    upgrade = start()
    rollout.advance(upgrade, now=timezone.now())
    upgrades.pause(upgrade)
    upgrades.resume(upgrade)
    pcs[0].upgrade()
    upgrades.cancel(upgrade, now=timezone.now(), reason="Not now.")
    states = {row.device.name: row.state for row in upgrade.targets.all()}
    assert states["pc-1"] == TargetState.UPGRADED
    assert set(states.values()) == {TargetState.UPGRADED, TargetState.SKIPPED}
    assert "agent_upgrade" not in pcs[1].refresh()
    for act in (upgrades.pause, upgrades.resume):
        with pytest.raises(InvalidTransition):
            act(upgrade)
