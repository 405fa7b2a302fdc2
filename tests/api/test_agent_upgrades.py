"""REST API of upgrades of agents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from administrators.models import Policies
from devices.models import Device
from systemupdates.downloads import agent, agent_files
from tests.api.conftest import CA, DEPLOY, Caller, caller, problem, refuses, succeeds
from tests.support import factories
from tests.support.zone import TestZone
from wire.messages import CONTENT_SATELLITE, FEATURE_AGENT_UPGRADE, FEATURE_DEB, FEATURE_RPM

UPGRADES = "agent-upgrades"
OLD = {"version": "0.9.0", "features": [FEATURE_AGENT_UPGRADE]}


@pytest.fixture
def fleet(everybody: Caller, zone: TestZone, tmp_path: Any, settings: Any) -> Caller:
    """Return a client in a zone with older agents of each kind."""
    settings.BASE_DIR = tmp_path
    agent_files.publish_agent_files()
    for number in range(3):
        factories.device(f"pc-{number}", **OLD)
    factories.server("cs-1", CONTENT_SATELLITE, **OLD)
    factories.device("deb-1", version="0.9.0", features=[FEATURE_DEB])
    factories.device("rpm-1", version="0.9.0", features=[FEATURE_RPM])
    factories.device("old-1", version="0.9.0")
    return everybody


def start(client: Caller, **body: Any) -> dict[str, Any]:
    response = client.post(UPGRADES, body)
    assert response.status_code == 201, response.content
    created: dict[str, Any] = response.json()
    return created


@succeeds("GET /older-agents")
def test_older_agents_are_listed_with_how_to_upgrade_them(fleet: Caller) -> None:
    found = {row["name"]: row["upgraded_with"] for row in fleet.get("older-agents").json()}
    assert found == {
        **dict.fromkeys(("cs-1", "pc-0", "pc-1", "pc-2"), "console"),
        "deb-1": "apt",
        "rpm-1": "dnf",
        "old-1": "manual",
    }


@succeeds(
    "GET /agent-upgrades",
    "POST /agent-upgrades",
    "GET /agent-upgrades/{upgrade_id}",
    "GET /agent-upgrades/{upgrade_id}/devices",
    "POST /agent-upgrades/{upgrade_id}/cancel",
)
def test_an_upgrade_is_started_shown_and_canceled(fleet: Caller) -> None:
    created = start(fleet, roles=["managed"], pilot_percent=10)
    assert (created["state"], created["version"]) == ("scheduled", agent.get_version())
    assert (created["pilot"], created["devices"]["pending"]) == (1, 3)
    assert created["requested_by"] == "everybody"
    assert fleet.get(f"{UPGRADES}/{created['id']}").json() == created
    assert fleet.get(UPGRADES).json()["items"] == [created]
    devices = fleet.get(f"{UPGRADES}/{created['id']}/devices").json()
    assert [row["is_pilot"] for row in devices["items"]] == [True, False, False]
    assert {row["name"] for row in devices["items"]} == {"pc-0", "pc-1", "pc-2"}
    canceled = fleet.post(f"{UPGRADES}/{created['id']}/cancel").json()
    assert (canceled["state"], canceled["devices"]["skipped"]) == ("canceled", 3)


@succeeds("POST /agent-upgrades/{upgrade_id}/pause", "POST /agent-upgrades/{upgrade_id}/resume")
@refuses(
    "POST /agent-upgrades/{upgrade_id}/pause",
    "POST /agent-upgrades/{upgrade_id}/resume",
    "POST /agent-upgrades/{upgrade_id}/cancel",
)
def test_an_upgrade_is_paused_and_resumed_until_it_has_ended(fleet: Caller) -> None:
    upgrade = factories.agent_upgrade(Device.objects.get(name="pc-1"))
    url = f"{UPGRADES}/{upgrade.pk}"
    problem(fleet.post(f"{url}/resume"), 409)
    assert fleet.post(f"{url}/pause").json()["state"] == "paused"
    problem(fleet.post(f"{url}/pause"), 409)
    assert fleet.post(f"{url}/resume").json()["state"] == "running"
    fleet.post(f"{url}/cancel")
    for act in ("pause", "resume", "cancel"):
        problem(fleet.post(f"{url}/{act}"), 409)


@succeeds("POST /agent-upgrades/{upgrade_id}/confirm")
@refuses("POST /agent-upgrades/{upgrade_id}/confirm")
def test_a_second_administrator_approves(fleet: Caller) -> None:
    policies = Policies.objects.get_current()
    policies.two_administrators = True
    policies.save()
    created = start(fleet)
    assert created["state"] == "proposed"
    url = f"{UPGRADES}/{created['id']}/confirm"
    problem(fleet.post(url), 409)
    problem(caller("deployer", DEPLOY).post(url), 403)
    second = caller("second", CA)
    approved = second.post(url).json()
    assert (approved["state"], approved["approved_by"]) == ("scheduled", "second")
    problem(second.post(url), 409)


@refuses("POST /agent-upgrades")
def test_an_invalid_request_is_rejected(fleet: Caller) -> None:
    late = (timezone.now() + timedelta(days=91)).isoformat()
    for body, field in (
        ({"devices": ["deb-1"]}, "devices"),
        ({"devices": ["pc-9"]}, "devices"),
        ({"roles": ["authentication-satellite"]}, "devices"),
        ({"starts_at": late}, "starts_at"),
    ):
        response = problem(fleet.post(UPGRADES, body), 422)
        assert response["errors"][0]["field"] == field
    wrong: Any
    for wrong in ({"pilot": -1}, {"pilot_percent": 101}, {"roles": ["other"]}, {"when": "now"}):
        problem(fleet.post(UPGRADES, wrong), 422)
    start(fleet)
    problem(fleet.post(UPGRADES, {}), 409)
