"""The rows of the table and their limits."""

from bench.swarm.measurements import IDLE, STORM
from bench.swarm.report import build_rows
from tests.bench.swarm.runs import Costs, build_run, with_phase

RUNS = [build_run(100), build_run(300), build_run(900)]


def find(rows, text):
    found = [row for row in rows if text in row.what]
    assert len(found) == 1, (text, [row.what for row in rows])
    return found[0]


def test_three_runs_give_phases_limits_growth_check_and_forecast():
    rows = list(build_rows(RUNS))

    assert {row.name for row in rows} == {"P-13"}
    assert find(rows, "storm, devices per second").detail["p99_ms"] == 100.0
    assert find(rows, "lost agents").verdict == "reached"
    assert find(rows, "rejected calls").verdict == "reached"
    assert find(rows, "p99 of a call in the storm").verdict == "reached"
    assert find(rows, "p99 in the storm / p99 at rest").verdict == ""
    assert find(rows, "CPU of the console per device").verdict == "reached"
    assert 0.99 < find(rows, "CPU of the model").figure < 1.01
    assert find(rows, "100000 devices from 900 agents, SQLite: cores, all activate").figure > 1


def test_limits_are_missed():
    slow = with_phase(RUNS[-1], STORM, p99=0.3, missed=1, results={"ok": 5, "refused": 1})
    rows = list(build_rows([*RUNS[:-1], slow]))

    assert find(rows, "lost agents").verdict == "MISSED"
    assert find(rows, "rejected calls").verdict == "MISSED"
    assert find(rows, "p99 of a call in the storm").verdict == "MISSED"


def test_costs_that_grow_with_the_number_of_devices_are_found():
    costly = build_run(900, Costs(each=0.06))

    assert find(list(build_rows([*RUNS[:-1], costly])), "per device").verdict == "MISSED"


def test_a_single_run_has_no_model():
    rows = list(build_rows(RUNS[:1]))

    assert not [row for row in rows if "100000" in row.what or "model" in row.what]


def test_without_calls_at_rest_there_is_no_ratio():
    quiet = with_phase(RUNS[0], IDLE, p99=0.0)

    assert not [row for row in build_rows([quiet]) if "at rest" in row.what]
