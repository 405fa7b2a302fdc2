"""The schedule of a worker process, and its commands."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from bench.swarm.agent import Agent
from bench.swarm.service import IN_CONTACT
from bench.swarm.worker import PRESENT, RETURNING, Schedule, Worker
from tests.zac.support.zone import Zone


def take_all(schedule: Schedule, now: float) -> list[int]:
    numbers = []
    while (taken := schedule.take(now)) is not None:
        numbers.append(taken[0])
    return numbers


def test_agents_are_taken_in_the_order_in_which_they_are_due():
    schedule = Schedule()
    for number, due in ((1, 30.0), (2, 10.0), (3, 20.0)):
        schedule.set(number, due)

    assert schedule.take(5.0) is None
    assert schedule.take(10.0) == (2, 10.0)
    assert take_all(schedule, 30.0) == [3, 1]
    assert len(schedule) == 0


def test_another_time_replaces_the_one_before():
    schedule = Schedule()
    schedule.set(1, 10.0)
    schedule.set(2, 15.0)
    schedule.set(1, 20.0)

    assert schedule.get_next() == 15.0
    assert take_all(schedule, 30.0) == [2, 1]


def test_an_agent_that_is_removed_is_never_due():
    schedule = Schedule()
    schedule.set(1, 10.0)
    schedule.set(2, 20.0)
    schedule.remove(1)
    schedule.remove(3)
    schedule.set(2, math.inf)

    assert schedule.get_next() == math.inf
    assert take_all(schedule, 100.0) == []


def run(worker: Worker, seconds: float = 20.0) -> None:
    """Run all agents until each has refreshed."""
    limit = time.monotonic() + seconds
    while worker.obey({"do": "count", "group": PRESENT})["stages"][IN_CONTACT] < 2:
        assert time.monotonic() < limit
        time.sleep(worker.get_pause())
        worker.run_next()


@pytest.fixture
def swarm(zone: Zone, tmp_path: Path) -> Worker:
    zone.refresh_s = 600.0
    urls = [server.url for server in zone.servers]
    config = {"folder": str(tmp_path), "numbers": [0, 5], "urls": urls, "key": str(zone.key)}
    return Worker(config)


def test_commands_enroll_count_and_collect(zone: Zone, swarm: Worker):
    assert not swarm.run_next(), "nothing is due before the command"
    swarm.obey({"do": "enroll"})
    run(swarm)
    collected = swarm.obey({"do": "collect"})

    assert sorted(request.name for request in zone.registers) == ["swarm-000000", "swarm-000005"]
    kinds = [call.kind for call in collected["calls"]]
    assert sorted(kinds) == ["hello", "hello", "refresh", "refresh", "register", "register"]
    assert len(collected["delays"]) >= 4
    reached = [(number, stage) for _at, number, stage in collected["reached"]]
    assert reached.count((0, IN_CONTACT)) == reached.count((5, IN_CONTACT)) == 1
    assert swarm.obey({"do": "collect"}) == {"calls": [], "delays": [], "reached": []}


def test_agents_leave_and_return(zone: Zone, swarm: Worker):
    swarm.obey({"do": "enroll"})
    run(swarm)
    swarm.obey({"do": "leave", "numbers": [5, 10]})
    assert swarm.obey({"do": "count", "group": PRESENT})["stages"] == {IN_CONTACT: 1}
    assert swarm.obey({"do": "count", "group": RETURNING})["stages"] == {IN_CONTACT: 1}
    before = len(zone.refreshes)
    swarm.obey({"do": "return"})
    limit = time.monotonic() + 20
    while len(zone.refreshes) == before:
        assert time.monotonic() < limit
        time.sleep(swarm.get_pause())
        swarm.run_next()


def test_an_agent_that_crashes_is_counted_and_stays_out(
    swarm: Worker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def crash(_agent: object) -> None:
        raise RuntimeError("crashed on purpose")

    monkeypatch.setattr(Agent, "run_due", crash)
    swarm.obey({"do": "enroll"})
    assert swarm.run_next()
    assert swarm.run_next()

    assert not swarm.run_next()
    assert swarm.obey({"do": "count", "group": PRESENT})["crashed"] == 2
    assert "crashed on purpose" in capsys.readouterr().err
