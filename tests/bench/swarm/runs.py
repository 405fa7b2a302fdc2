"""Runs that were never measured: their figures follow from known costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bench.swarm import measurements
from bench.swarm.measurements import Phase, Run


@dataclass(frozen=True)
class Costs:
    """CPU seconds of the console: each second, for a refresh, and for each phase."""

    background: float = 0.05
    refresh: float = 0.004
    fixed: float = 2.0
    each: float = 0.03
    database_fixed: int = 1_000_000
    database_each: int = 2_500


def build_phase(
    name: str, costs: Costs, *, items: int = 0, refreshes: int = 0, seconds: float = 30.0
) -> Phase:
    """Return a phase. Each agent makes three calls in it, besides its refreshes."""
    work = costs.fixed + costs.each * items if items else 0.0
    used = costs.background * seconds + costs.refresh * refreshes + work
    kinds = {"refresh": refreshes, "status": 3 * items}
    return Phase(
        name=name,
        items=items,
        missed=0,
        seconds=seconds,
        work_seconds=seconds / 2,
        cpu={"web": used * 0.75, "worker": used * 0.25, "swarm": 100.0},
        kinds=kinds,
        results={"ok": sum(kinds.values())},
        p50=0.010,
        p99=0.100,
        slowest=0.2,
        delay_p99=0.5,
    )


def build_run(agents: int, costs: Costs | None = None) -> Run:
    """Return a run of some agents, a fifth of which recovers."""
    costs = costs or Costs()
    away = agents // 5
    sizes = {
        measurements.START: (0, 0),
        measurements.REST: (0, 0),
        measurements.ENROLL: (agents, agents),
        measurements.IDLE: (0, 2 * agents),
        measurements.PREPARATION: (agents - away, agents),
        measurements.STORM: (agents - away, agents // 10),
        measurements.EXPIRY: (0, agents),
        measurements.RECOVERY: (away, agents),
    }
    phases = {
        name: build_phase(name, costs, items=items, refreshes=refreshes)
        for name, (items, refreshes) in sizes.items()
    }
    return Run(
        agents=agents,
        consoles=1,
        database="SQLite",
        refresh_seconds=30,
        phases=phases,
        memory_mb={"web": 70.0, "worker": 66.0},
        database_bytes=(900_000, costs.database_fixed + costs.database_each * agents),
        connection_kb=50.0,
        activated=agents,
    )


def with_phase(run: Run, name: str, **changes: Any) -> Run:
    """Return the run with changes of one phase."""
    changed = replace(run.phases[name], **changes)
    return replace(run, phases={**run.phases, name: changed})
