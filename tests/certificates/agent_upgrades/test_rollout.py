"""An upgrade goes to the pilot first, and to the others when the pilot has the new version."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from certificates.agent_upgrades import rollout, upgrades
from certificates.agent_upgrades.states import TargetState, UpgradeState
from certificates.agent_upgrades.upgrades import UpgradeSettings
from certificates.models import AgentUpgrade
from devices.registration import registration
from tests.certificates.agent_upgrades.conftest import Agent


def advance() -> AgentUpgrade:
    rollout.advance_all(timezone.now())
    return AgentUpgrade.objects.get()


def start(pilot: int = 0, delay: float = 0.0) -> AgentUpgrade:
    now = timezone.now()
    wanted = UpgradeSettings(pilot=pilot, starts_at=now + timedelta(seconds=delay))
    upgrades.start(wanted, by=None, now=now)
    return advance()


def is_offered(agent: Agent) -> bool:
    return "agent_upgrade" in agent.refresh()


def test_the_pilot_comes_first_and_then_the_others(pcs: list[Agent]) -> None:
    assert start(pilot=1).state == UpgradeState.RUNNING
    assert [is_offered(pc) for pc in pcs] == [False, False, False, True]
    assert advance().rest_started_at is None
    pcs[3].upgrade()
    assert advance().rest_started_at is not None
    assert [is_offered(pc) for pc in pcs] == [True, True, True, False]
    for pc in pcs[:3]:
        pc.upgrade()
    done = advance()
    assert done.state == UpgradeState.COMPLETED
    assert done.ended_at is not None
    assert set(done.targets.values_list("state", flat=True)) == {TargetState.UPGRADED}
    assert not any(pc.row.has_pending_work for pc in pcs), "their next refresh needs no query"


def test_without_a_pilot_all_devices_come_at_the_same_time(pcs: list[Agent]) -> None:
    start()
    assert all(map(is_offered, pcs))


def test_it_starts_at_its_time(pcs: list[Agent]) -> None:
    upgrade = start(delay=3600)
    assert upgrade.state == UpgradeState.SCHEDULED
    assert not any(map(is_offered, pcs))
    rollout.advance(upgrade, now=upgrade.starts_at)
    assert all(map(is_offered, pcs))


def test_a_failure_in_the_pilot_pauses_it_until_an_administrator_resumes_it(
    pcs: list[Agent],
) -> None:
    start(pilot=2)
    pcs[3].fail("Version 2 was not installed.")
    pcs[2].upgrade()
    paused = advance()
    assert (paused.state, paused.reason) == (UpgradeState.PAUSED, rollout.PILOT_FAILED)
    row = paused.targets.get(device=pcs[3].row)
    assert (row.state, row.reason) == (TargetState.FAILED, "Version 2 was not installed.")
    assert not any(map(is_offered, pcs))
    upgrades.resume(paused)
    assert advance().rest_started_at is not None
    assert [is_offered(pc) for pc in pcs] == [True, True, False, False]


def test_while_it_is_paused_nothing_is_offered_and_results_are_saved(pcs: list[Agent]) -> None:
    upgrade = start()
    offer = pcs[0].refresh()["agent_upgrade"]
    upgrades.pause(upgrade, reason="Wait.")
    assert not is_offered(pcs[1])
    pcs[0].version = offer["version"]
    pcs[0].refresh()
    assert upgrade.targets.get(device=pcs[0].row).state == TargetState.UPGRADED
    assert advance().state == UpgradeState.PAUSED
    upgrades.resume(upgrade)
    assert is_offered(pcs[1])


def test_a_device_that_leaves_the_zone_delays_nothing(pcs: list[Agent]) -> None:
    start(pilot=1)
    registration.unregister(pcs[3].row)
    assert advance().rest_started_at is not None
    for pc in pcs[:3]:
        pc.upgrade()
    done = advance()
    assert done.state == UpgradeState.COMPLETED
    assert done.targets.get(device=pcs[3].row).state == TargetState.SKIPPED
