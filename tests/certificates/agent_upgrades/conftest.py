"""A zone that offers its agent, and devices with older agents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devices.models import Device
from systemupdates.downloads import agent, agent_files
from tests.support.zone import Host, TestZone
from wire import messages
from wire.messages import FEATURE_AGENT_UPGRADE
from wire.update_messages import NOT_UPGRADED, AgentUpgradeResult

OLD = "0.9.0+0123456789ab"


@dataclass
class Agent:
    """A device whose agent can be upgraded by the console."""

    host: Host
    version: str = OLD
    features: tuple[str, ...] = (FEATURE_AGENT_UPGRADE,)
    stored: tuple[str, ...] = ()

    @property
    def row(self) -> Device:
        return Device.objects.get(pk=self.host.id)

    def refresh(self, result: AgentUpgradeResult | None = None) -> dict[str, Any]:
        """Refresh, and return the response."""
        report = messages.RefreshRequest(
            time=0.0,
            agent=self.version,
            features=list(self.features),
            stored_content=list(self.stored),
            agent_upgrade=result,
        )
        response = self.host.send("POST", "/zac/v1/refresh", report)
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = json.loads(response.content)
        return answer

    def upgrade(self) -> None:
        """Install what is offered, and refresh with it."""
        self.version = self.refresh()["agent_upgrade"]["version"]
        self.refresh()

    def fail(self, reason: str = "Version 2 was not installed.") -> None:
        """Return to the old version after an offer, and report it."""
        offer = self.refresh()["agent_upgrade"]
        self.refresh(AgentUpgradeResult(offer["id"], NOT_UPGRADED, reason))


@pytest.fixture
def published(zone: TestZone, tmp_path: Path, settings: Any) -> TestZone:
    """Return a zone whose first server offers its agent."""
    settings.BASE_DIR = tmp_path
    agent_files.publish_agent_files()
    return zone


@pytest.fixture
def join(published: TestZone) -> Callable[..., Agent]:
    """Return a maker of devices with older agents."""

    def make(name: str, role: str = messages.MANAGED, **values: Any) -> Agent:
        joined = Agent(published.join(name, role), **values)
        joined.refresh()
        return joined

    return make


@pytest.fixture
def pcs(join: Callable[..., Agent]) -> list[Agent]:
    """Return four devices. The last one was the last to contact the console."""
    return [join(f"pc-{number}") for number in range(1, 5)]


__all__ = ["OLD", "Agent", "agent"]
