"""Upgrades of agents with zman."""

from __future__ import annotations

from typing import Any

import pytest

from certificates.models import AgentUpgrade
from systemupdates.downloads import agent_files
from tests.support import factories
from wire.messages import FEATURE_AGENT_UPGRADE
from zman.cli import exit_codes


@pytest.fixture
def fleet(shell: Any, zone: Any, tmp_path: Any, settings: Any) -> Any:
    settings.BASE_DIR = tmp_path
    agent_files.publish_agent_files()
    for number in range(3):
        factories.device(f"pc-{number}", version="0.9.0", features=[FEATURE_AGENT_UPGRADE])
    return shell


def test_an_upgrade_is_started_paused_resumed_and_canceled(fleet: Any) -> None:
    assert [row["name"] for row in fleet.json("list", "older-agents")] == ["pc-0", "pc-1", "pc-2"]
    created = fleet.json("agent-upgrade", "start", "--device", "pc-0", "--device", "pc-2")
    assert (created["state"], created["devices"]["pending"]) == ("scheduled", 2)
    AgentUpgrade.objects.update(state="running")
    assert fleet.json("agent-upgrade", "pause")["state"] == "paused"
    assert fleet.json("agent-upgrade", "resume", created["id"])["state"] == "running"
    assert "is canceled" in fleet.good("agent-upgrade", "cancel").err
    assert [row["state"] for row in fleet.json("list", "agent-upgrades")] == ["canceled"]
    assert fleet("agent-upgrade", "cancel").code == exit_codes.NOT_FOUND
    assert fleet("agent-upgrade", "pause", created["id"]).code == exit_codes.REFUSED
    assert fleet("agent-upgrade", "approve", created["id"]).code == exit_codes.REFUSED


@pytest.mark.parametrize(("pilot", "number"), [("2", 2), ("1%", 1), ("0", 0)])
def test_the_pilot_is_a_number_or_a_percentage(fleet: Any, pilot: str, number: int) -> None:
    options = ("--pilot", pilot, "--role", "managed", "--at", "+2h")
    assert fleet.json("agent-upgrade", "start", *options)["pilot"] == number
    upgrade = AgentUpgrade.objects.get()
    assert upgrade.starts_at > upgrade.created_at


@pytest.mark.parametrize(
    "options", [("--pilot", "some"), ("--pilot", "-1"), ("--role", "primary"), ("--at", "soon")]
)
def test_invalid_options_are_rejected(fleet: Any, options: tuple[str, ...]) -> None:
    assert fleet("agent-upgrade", "start", *options).code == exit_codes.USAGE
    assert not AgentUpgrade.objects.exists()
