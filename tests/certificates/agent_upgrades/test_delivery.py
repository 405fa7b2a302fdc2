"""What the console sends to agents about an upgrade, and what it saves of their reports."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Entry
from certificates.agent_upgrades import rollout, upgrades
from certificates.agent_upgrades.states import TargetState
from certificates.agent_upgrades.upgrades import UpgradeSettings
from certificates.models import AgentUpgrade
from certificates.trust import second_key
from devices.identity import zone_keys
from devices.models import Device
from systemupdates.downloads import agent, agent_files
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.certificates.agent_upgrades.conftest import Agent
from tests.support import factories
from tests.support.zone import TestZone
from wire import json_codec
from wire.envelope import build_envelope
from wire.messages import CONTENT_SATELLITE
from wire.metadata import AGENT
from wire.update_messages import NOT_UPGRADED, UPGRADED, AgentOffer, AgentUpgradeResult


@pytest.fixture
def running(pcs: list[Agent]) -> AgentUpgrade:
    upgrades.start(UpgradeSettings(), by=None, now=timezone.now())
    rollout.advance_all(timezone.now())
    return AgentUpgrade.objects.get()


def target(agent: Agent) -> tuple[str, str]:
    row = agent.row.agent_upgrades.get()
    return row.state, row.reason


def test_the_offer_has_the_signatures_of_the_zone(published: TestZone, pcs: list[Agent]) -> None:
    for _ in range(2):
        second_key.introduce(now=timezone.now())
    agent_files.publish_agent_files()
    upgrades.start(UpgradeSettings(), by=None, now=timezone.now())
    rollout.advance_all(timezone.now())
    offer = json_codec.build(AgentOffer, pcs[0].refresh()["agent_upgrade"], "offer")
    assert offer.version == agent.get_version()
    signatures = [base64.b64decode(text) for text in (offer.signature, offer.second_signature)]
    keys = zone_keys.get_public_keys(published.zone)
    assert keys.second_pub
    envelope = build_envelope(AGENT, agent.build_agent(), *signatures)
    assert envelope.verify(keys, AGENT) == agent.build_agent()


def test_a_device_is_asked_until_it_has_a_result(running: AgentUpgrade, pcs: list[Agent]) -> None:
    assert pcs[0].refresh()["agent_upgrade"] == pcs[0].refresh()["agent_upgrade"]
    pcs[0].upgrade()
    assert target(pcs[0]) == (TargetState.UPGRADED, "")
    assert "agent_upgrade" not in pcs[0].refresh()


def test_a_failure_is_saved_with_its_reason(running: AgentUpgrade, pcs: list[Agent]) -> None:
    pcs[0].fail("x" * 900)
    assert target(pcs[0]) == (TargetState.FAILED, "x" * 500)
    subject = f"certificates.AgentUpgradeTarget:{pcs[0].row.agent_upgrades.get().pk}"
    assert Entry.objects.get(subject=subject).there == TargetState.FAILED
    assert "agent_upgrade" not in pcs[0].refresh()


def test_a_device_that_returns_after_its_first_contact_has_failed(
    running: AgentUpgrade, pcs: list[Agent]
) -> None:
    pcs[0].upgrade()
    pcs[0].refresh(AgentUpgradeResult(str(running.pk), NOT_UPGRADED, "It ended."))
    assert target(pcs[0]) == (TargetState.FAILED, "It ended.")


@pytest.mark.parametrize("state", [UPGRADED, NOT_UPGRADED, "other"])
def test_the_result_of_another_offer_is_ignored(
    running: AgentUpgrade, pcs: list[Agent], state: str
) -> None:
    pcs[0].refresh(AgentUpgradeResult("another", state, "It ended."))
    assert target(pcs[0]) == (TargetState.OFFERED, "")


def test_no_agent_is_upgraded_during_a_certificate_update(
    running: AgentUpgrade, pcs: list[Agent], published: TestZone
) -> None:
    update = factories.update(published.device(published.first), state=UpdateState.IN_PROGRESS)
    row = factories.assignment(update, pcs[0].row, AssignmentState.ASSIGNED)
    for state in (AssignmentState.ASSIGNED, AssignmentState.ACTIVATING, AssignmentState.FAILED):
        Assignment.objects.filter(pk=row.pk).update(state=state)
        assert "agent_upgrade" not in pcs[0].refresh(), state
        assert pcs[0].row.has_pending_work, "it is offered later"
    assert "agent_upgrade" in pcs[1].refresh()
    Assignment.objects.filter(pk=row.pk).update(state=AssignmentState.ACTIVATED)
    assert "agent_upgrade" in pcs[0].refresh()


def test_an_update_that_has_ended_delays_no_agent(
    running: AgentUpgrade, pcs: list[Agent], published: TestZone
) -> None:
    update = factories.update(published.device(published.first), state=UpdateState.CANCELED)
    factories.assignment(update, pcs[0].row, AssignmentState.FAILED)
    assert "agent_upgrade" in pcs[0].refresh()


def test_satellites_copy_the_file_while_it_is_needed(
    pcs: list[Agent], join: Callable[..., Agent]
) -> None:
    satellite = join("cs-1", CONTENT_SATELLITE, version="9.9.9")
    assert satellite.refresh()["replicate"] == []
    upgrade = upgrades.start(UpgradeSettings(), by=None, now=timezone.now())
    rollout.advance_all(timezone.now())
    (request,) = satellite.refresh()["replicate"]
    assert (request["sha256"], request["size"]) == (upgrade.sha256, upgrade.size)
    satellite.stored = (upgrade.sha256,)
    answer = satellite.refresh()
    assert (answer["replicate"], answer["withdraw"]) == ([], [])
    upgrade.refresh_from_db()
    upgrades.cancel(upgrade, now=timezone.now())
    assert satellite.refresh()["withdraw"] == [upgrade.sha256]


def test_a_primary_server_keeps_the_file(running: AgentUpgrade, published: TestZone) -> None:
    upgrades.cancel(running, now=timezone.now())
    Device.objects.filter(pk=published.first.id).update(has_pending_work=True)
    answer = published.first.refresh(stored_content=[running.sha256])
    assert answer["withdraw"] == []


def test_the_refresh_of_an_upgraded_device_needs_no_query_for_it(
    running: AgentUpgrade, pcs: list[Agent]
) -> None:
    pcs[0].upgrade()
    plain = _count_queries(pcs[0], None)
    assert _count_queries(pcs[0], AgentUpgradeResult(str(running.pk), UPGRADED)) == plain


def _count_queries(agent: Agent, result: AgentUpgradeResult | None) -> int:
    with CaptureQueriesContext(connection) as captured:
        agent.refresh(result)
    return len(captured)
