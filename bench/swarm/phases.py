"""The phases of a run: enrollment, refreshes, a Remint CA, and recovery from an expired CA."""

from __future__ import annotations

import time
from pathlib import Path

from bench.swarm import measurements, pool, zone
from bench.swarm.measurements import Phase, Run
from bench.swarm.plan import Plan
from bench.swarm.pool import Pool
from bench.swarm.service import IN_CONTACT
from bench.swarm.worker import PRESENT, RETURNING
from bench.swarm.zone import SwarmZone
from zac.host import state

POLL_SECONDS = 0.25
# The phase of the activation begins shortly before it.
EARLY_SECONDS = 1.0
# An agent that has gone further has reached these, too.
READY_OR_LATER = (state.READY, *state.AFTER_SWITCH)


class CaTooShort(Exception):
    """This machine is slower than planned: the zone CA would expire before the activation."""


class Runner:
    """A run: each phase begins when the one before it ends, so that no call is missed."""

    def __init__(self, plan: Plan, console: SwarmZone, agents: Pool) -> None:
        self._plan, self._console, self._agents = plan, console, agents
        self._began = self._work_from = time.monotonic()
        self._cpu = self._spent()
        self.phases: dict[str, Phase] = {}

    def run(self) -> None:
        """Run all phases."""
        plan, agents = self._plan, self._agents
        time.sleep(plan.start_seconds)
        self._end(measurements.START)
        time.sleep(plan.rest_seconds)
        self._end(measurements.REST)
        agents.command("enroll")
        self._reach(measurements.ENROLL, PRESENT, (IN_CONTACT,), plan.agents)
        agents.command("settle")
        time.sleep(plan.idle_seconds)
        self._end(measurements.IDLE)
        self._change(plan.agents - len(plan.away))
        _sleep_until(self._console.ca_expires_at + 2)
        self._end(measurements.EXPIRY)
        agents.command("return")
        self._reach(measurements.RECOVERY, RETURNING, (state.CONFIRMED,), len(plan.away))

    def count_silent(self) -> int:
        """Return the number of agents without contact, and of those that crashed."""
        groups = [self._agents.count(group) for group in (PRESENT, RETURNING)]
        return sum(group.silent + group.crashed for group in groups)

    def _change(self, present: int) -> None:
        """Start a Remint CA, and wait until all agents that are not away have activated it."""
        self._agents.command("leave", numbers=self._plan.away)
        activates_at = self._start_operation()
        _sleep_until(activates_at - EARLY_SECONDS)
        ready = self._count(PRESENT, READY_OR_LATER)
        goals = (state.READY,)
        self._end(measurements.PREPARATION, items=ready, missed=present - ready, goals=goals)
        self._work_from = time.monotonic() + activates_at - time.time()
        self._reach(measurements.STORM, PRESENT, (state.CONFIRMED,), present)

    def _start_operation(self) -> float:
        plan = self._plan
        left = self._console.ca_expires_at - time.time()
        if left < plan.lead_seconds + plan.storm_seconds:
            raise CaTooShort(
                f"The zone CA expires in {left:.0f} s, before the activation is complete. "
                f"Set ZCC_BENCH_PACE to a value below {plan.pace:g}, or stop other programs."
            )
        return self._console.remint_ca(plan.lead_seconds)

    def _reach(self, name: str, group: str, goals: tuple[str, ...], wanted: int) -> None:
        """Wait until all agents of a group have reached a goal, or the limit; end the phase."""
        limit = time.monotonic() + self._plan.limit_seconds
        reached = self._count(group, goals)
        while reached < wanted and time.monotonic() < limit:
            time.sleep(POLL_SECONDS)
            reached = self._count(group, goals)
        self._end(name, items=reached, missed=wanted - reached, goals=goals)

    def _count(self, group: str, goals: tuple[str, ...]) -> int:
        stages = self._agents.count(group).stages
        return sum(stages[goal] for goal in goals)

    def _end(
        self, name: str, *, items: int = 0, missed: int = 0, goals: tuple[str, ...] = ()
    ) -> None:
        """Store the figures of a phase; the next one begins."""
        samples, cpu = self._agents.collect(), self._spent()
        ended = time.monotonic()
        self.phases[name] = measurements.summarize(
            name,
            samples,
            items=items,
            missed=missed,
            began=self._began,
            work_from=self._work_from,
            ended=ended,
            goals=goals,
            cpu={part: cpu[part] - self._cpu.get(part, 0.0) for part in cpu},
        )
        self._began = self._work_from = ended
        self._cpu = cpu

    def _spent(self) -> dict[str, float]:
        return {**self._console.spent(), measurements.SWARM: self._agents.spent()}


def measure(plan: Plan, folder: Path, homes: Path, database: str) -> Run:
    """Run all phases in a new zone in a folder; `homes` is for the data directories of agents."""
    url = zone.create_database(f"swarm_{plan.agents}")
    log = folder / "swarm.log"
    with zone.running(folder, plan, url) as console, pool.running(homes, log) as agents:
        empty = console.measure_database()
        connection_kb = console.measure_connection()
        agents.start(
            agents=plan.agents,
            workers=plan.workers,
            urls=console.urls,
            key=console.registration_key,
        )
        runner = Runner(plan, console, agents)
        runner.run()
        return Run(
            agents=plan.agents,
            consoles=plan.consoles,
            database=database,
            refresh_seconds=plan.refresh_seconds,
            phases=runner.phases,
            memory_mb=console.memory(),
            database_bytes=(empty, console.measure_database()),
            connection_kb=connection_kb,
            activated=console.count_activated(),
            silent=runner.count_silent(),
        )


def _sleep_until(moment: float) -> None:
    """Sleep until a time in seconds since 1970."""
    time.sleep(max(0.0, moment - time.time()))
