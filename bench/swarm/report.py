"""The rows of the table: what was measured, and what more devices would need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.results import Row
from bench.swarm.measurements import IDLE, STORM, WORK, Phase, Run
from bench.swarm.model import Model, build, check

NAME = "P-13"
STORM_P99_MS = 250.0
GROWTH = 1.2
DEVICES = 100_000
# The default refresh interval, and the time in which all devices activate, in seconds.
INTERVAL, STORM_SECONDS = 43_200.0, 600.0
# The model needs two sizes, and one more to check it.
MODEL_RUNS = 2
MS = 1000.0


def build_rows(runs: Sequence[Run]) -> Iterator[Row]:
    """Yield the rows of runs of different sizes, the largest last."""
    largest = runs[-1]
    yield from _build_phase_rows(largest)
    yield from _build_limit_rows(largest)
    if len(runs) > 1:
        yield _build_growth_row(runs[-2], largest)
    if len(runs) > MODEL_RUNS:
        model = build(runs[:-1])
        yield from _build_check_rows(model, largest)
        yield from _build_forecast_rows(model, largest)


def describe(run: Run) -> str:
    """Return what a run had: devices, database, and consoles if there was more than one."""
    consoles = f", {run.consoles} consoles" if run.consoles > 1 else ""
    return f"{run.agents} agents, {run.database}{consoles}"


def _build_phase_rows(run: Run) -> Iterator[Row]:
    where = describe(run)
    idle = run.phases[IDLE]
    rate = idle.refreshes / idle.seconds
    yield Row(NAME, f"{where}: {IDLE}, refreshes per second", rate, detail=_list_details(idle))
    for name in WORK:
        phase = run.phases[name]
        what = f"{where}: {name}, devices per second"
        yield Row(NAME, what, phase.rate, detail=_list_details(phase))


def _list_details(phase: Phase) -> dict[str, float]:
    """Return the figures of a phase. Times of calls are in milliseconds, CPU times in seconds."""
    figures = {
        "items": phase.items,
        "missed": phase.missed,
        "seconds": phase.seconds,
        "calls": phase.calls,
        "refusals": phase.refusals,
        "expired": phase.expired,
        "unreachable": phase.unreachable,
        "p50_ms": phase.p50 * MS,
        "p99_ms": phase.p99 * MS,
        "max_ms": phase.slowest * MS,
        "delay_p99_ms": phase.delay_p99 * MS,
    }
    return {**figures, **{f"cpu_{part}": seconds for part, seconds in phase.cpu.items()}}


def _build_limit_rows(run: Run) -> Iterator[Row]:
    where = describe(run)
    storm, idle = run.phases[STORM], run.phases[IDLE]
    yield Row(NAME, f"{where}: rejected calls in all phases", run.refusals, most=0)
    yield Row(NAME, f"{where}: lost agents", run.lost, most=0)
    p99 = storm.p99 * MS
    yield Row(NAME, f"{where}: p99 of a call in the storm (ms)", p99, most=STORM_P99_MS)
    if idle.p99:
        yield Row(NAME, f"{where}: p99 in the storm / p99 at rest", storm.p99 / idle.p99)


def _build_growth_row(smaller: Run, larger: Run) -> Row:
    """Return how the CPU time of the console for each device grows with their number."""
    each = [run.console_cpu / run.agents for run in (smaller, larger)]
    what = f"{describe(larger)}: CPU of the console per device / that of {smaller.agents}"
    detail = {"smaller_ms": each[0] * MS, "larger_ms": each[1] * MS}
    return Row(NAME, what, each[1] / each[0], most=GROWTH, detail=detail)


def _build_check_rows(model: Model, run: Run) -> Iterator[Row]:
    ratios = check(model, run)
    what = f"{describe(run)}: CPU of the model for smaller sizes / measured"
    yield Row(NAME, what, ratios.pop("all"), detail=ratios)
    what = f"{describe(run)}: size of the database of this model / measured"
    yield Row(NAME, what, ratios["database"])


def _build_forecast_rows(model: Model, run: Run) -> Iterator[Row]:
    forecast = model.forecast(DEVICES, interval=INTERVAL, storm_seconds=STORM_SECONDS)
    costs = {
        "background_cores": model.background,
        "refresh_ms": model.refresh * MS,
        **{f"{name}_ms": line.each * MS for name, line in model.phases.items()},
        "connection_kb": model.connection_kb,
        "device_bytes": model.database.each,
    }
    figures = {
        "cores, one refresh in 12 hours": forecast.cores_at_rest,
        "cores, all activate in ten minutes": forecast.cores_in_storm,
        "open connections, one refresh in 12 hours": forecast.connections_at_rest,
        "open connections, all activate in ten minutes": forecast.connections_in_storm,
        "memory of the console (GB)": forecast.memory_gb,
        "database after one CA change (GB)": forecast.database_gb,
    }
    where = f"{DEVICES} devices from {describe(run)}"
    for what, figure in figures.items():
        yield Row(NAME, f"{where}: {what}", figure, detail=costs)
