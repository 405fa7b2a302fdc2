"""The benchmark of many agents, with a few of them: through all phases, without a rejected call."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.swarm import phases
from bench.swarm.measurements import AFTER_EXPIRY, ENROLL, IDLE, PREPARATION, RECOVERY, STORM
from bench.swarm.plan import Plan
from bench.swarm.report import build_rows

pytestmark = [pytest.mark.long, pytest.mark.timeout(590)]
AGENTS, AWAY = 5, 1


def test_five_agents_go_through_all_phases_of_the_benchmark(tmp_path: Path) -> None:
    plan = Plan(AGENTS, workers=2)
    run = phases.measure(plan, tmp_path, tmp_path / "agents", "SQLite")

    items = {name: run.phases[name].items for name in (ENROLL, PREPARATION, STORM, RECOVERY)}
    present = AGENTS - AWAY
    assert items == {ENROLL: AGENTS, PREPARATION: present, STORM: present, RECOVERY: AWAY}
    assert run.activated == AGENTS
    assert run.lost == 0
    results = {name: phase.results for name, phase in run.phases.items()}
    assert run.refusals == 0, results
    # Only the agent that was away rejected certificates: those of the CA that had expired.
    expired = {name for name, phase in run.phases.items() if phase.expired}
    assert expired == set(AFTER_EXPIRY), results
    assert run.phases[ENROLL].kinds["register"] == AGENTS
    assert run.phases[IDLE].refreshes >= AGENTS
    assert run.phases[STORM].kinds["contact"] >= present
    assert run.phases[STORM].console_cpu > 0
    assert run.database_bytes[1] > run.database_bytes[0] > 0
    assert run.connection_kb > 0
    assert [row.what for row in build_rows([run]) if "lost" in row.what]
