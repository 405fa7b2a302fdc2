"""Worker processes are started, obey commands, and are ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.swarm import pool
from bench.swarm.service import IN_CONTACT
from bench.swarm.worker import PRESENT
from tests.zac.support.zone import Zone


def test_two_processes_enroll_five_agents(zone: Zone, tmp_path: Path):
    zone.refresh_s = 600.0
    urls = [server.url for server in zone.servers]
    with pool.running(tmp_path / "agents", tmp_path / "swarm.log") as agents:
        agents.start(agents=5, workers=2, urls=urls, key=str(zone.key))
        agents.command("enroll")
        limit = time.monotonic() + 60
        while agents.count(PRESENT).stages[IN_CONTACT] < 5:
            assert time.monotonic() < limit, (tmp_path / "swarm.log").read_text()
            time.sleep(0.1)
        samples = agents.collect()
        assert agents.spent() > 0

    assert sorted(call.kind for call in samples.calls) == (
        ["hello"] * 5 + ["refresh"] * 5 + ["register"] * 5
    )
    assert {number for _at, number, _stage in samples.reached} == set(range(5))
    assert (tmp_path / "swarm.log").read_text() == ""


def test_a_process_that_has_ended_is_reported(tmp_path: Path):
    with pool.running(tmp_path / "agents", tmp_path / "swarm.log") as agents:
        agents.start(agents=1, workers=1, urls=[""], key="")
        with pytest.raises(RuntimeError, match="has ended"):
            agents.command("unknown")

    assert "do_unknown" in (tmp_path / "swarm.log").read_text()
