"""A zone in the process of the test, and an agent of the swarm that can register in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.swarm.agent import Agent
from bench.swarm.calls import Call
from tests.zac.support import zone as zones
from tests.zac.support.zone import Zone


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Zone]:
    folder = tmp_path / "zone"
    folder.mkdir()
    with zones.running(folder) as running:
        running.refresh_s = 0.5
        yield running


@pytest.fixture
def calls() -> list[Call]:
    """Return the calls that the agent has made."""
    return []


@pytest.fixture
def agent(zone: Zone, tmp_path: Path, calls: list[Call]) -> Agent:
    """Return an agent that registers when it runs."""
    made = Agent(0, tmp_path / "agents", {}, calls.append)
    made.enroll(zone.servers[0].url, str(zone.key))
    return made


def run_until(agent: Agent, condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Run an agent whenever it is due, until a condition is true."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"the agent is at {agent.stage}"
        time.sleep(max(0.0, min(0.1, agent.due - time.monotonic())))
        if time.monotonic() >= agent.due:
            agent.run_due()
