"""A model of the console: what more devices than those of a run would need.

It is made from at least two runs of different sizes, and checked with another one. CPU time has
three parts: what the console needs without devices, what each refresh needs, and what each phase
adds for each device. All other values are measured directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.swarm.measurements import IDLE, REFRESH, REST, STORM, WORK, Phase, Run

MB, GB = 2.0**20, 2.0**30


@dataclass(frozen=True)
class Line:
    """A value that grows with a count: `fixed` + `each` x count."""

    fixed: float
    each: float

    def at(self, count: float) -> float:
        """Return the value for a count."""
        return self.fixed + self.each * count


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Return the line with the least squares through points (count, value).

    Neither part is negative: noise of a small run could make the fixed part less than nothing.
    """
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread:
        each = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
        fixed = mean_y - each * mean_x
        if each < 0:
            return Line(max(0.0, mean_y), 0.0)
        if fixed >= 0:
            return Line(fixed, each)
    squares = sum(x * x for x, _ in points)
    each = sum(x * y for x, y in points) / squares if squares else 0.0
    return Line(0.0, max(0.0, each))


@dataclass(frozen=True)
class Forecast:
    """What a number of devices needs.

    Cores at rest (all devices refresh once per interval), and while all devices activate within
    `storm_seconds`; connections that are open at the same time; memory and disk in GB.
    """

    devices: int
    cores_at_rest: float
    cores_in_storm: float
    connections_at_rest: float
    connections_in_storm: float
    memory_gb: float
    database_gb: float


@dataclass(frozen=True)
class Model:
    """The values that the model has from its runs.

    `background` is in cores, `refresh` and `phases` are in CPU seconds, `database` in bytes.
    """

    background: float
    refresh: float
    phases: dict[str, Line]
    database: Line
    memory_mb: float
    connection_kb: float
    refresh_calls: float
    refresh_seconds: float
    storm_calls: float
    storm_seconds: float

    def predict_cpu(self, phase: Phase) -> float:
        """Return the CPU seconds of the console for a phase with these agents and refreshes."""
        steady = self.background * phase.seconds + self.refresh * phase.refreshes
        added = self.phases.get(phase.name)
        return steady + (added.at(phase.items) if added is not None else 0.0)

    def forecast(self, devices: int, *, interval: float, storm_seconds: float) -> Forecast:
        """Return what a zone needs with a refresh interval and a storm, both in seconds."""
        refreshes = devices / interval
        at_rest = self.background + refreshes * self.refresh
        storm = self.phases[STORM]
        calm = refreshes * self.refresh_calls * self.refresh_seconds
        busy = devices / storm_seconds * self.storm_calls * self.storm_seconds
        memory = self.memory_mb * MB + (calm + busy) * self.connection_kb * 1024
        return Forecast(
            devices=devices,
            cores_at_rest=at_rest,
            cores_in_storm=at_rest + storm.at(devices) / storm_seconds,
            connections_at_rest=calm,
            connections_in_storm=calm + busy,
            memory_gb=memory / GB,
            database_gb=self.database.at(devices) / GB,
        )


def build(runs: Sequence[Run]) -> Model:
    """Return the model of some runs of the same database and number of consoles."""
    rests = [run.phases[REST] for run in runs]
    background = sum(rest.console_cpu for rest in rests) / sum(rest.seconds for rest in rests)
    refresh = _get_refresh_cost([run.phases[IDLE] for run in runs], background)

    def get_added(phase: Phase) -> float:
        return phase.console_cpu - background * phase.seconds - refresh * phase.refreshes

    largest = max(runs, key=lambda run: run.agents)
    idle, storm = largest.phases[IDLE], largest.phases[STORM]
    return Model(
        background=background,
        refresh=refresh,
        phases={
            name: fit([(run.phases[name].items, get_added(run.phases[name])) for run in runs])
            for name in WORK
        },
        database=fit([(run.agents, run.database_bytes[1]) for run in runs]),
        memory_mb=max(sum(run.memory_mb.values()) for run in runs),
        connection_kb=max(run.connection_kb for run in runs),
        refresh_calls=idle.calls / max(1, idle.refreshes),
        refresh_seconds=idle.p50,
        storm_calls=(storm.calls - storm.kinds.get(REFRESH, 0)) / max(1, storm.items),
        storm_seconds=storm.p99,
    )


def _get_refresh_cost(phases: Sequence[Phase], background: float) -> float:
    """Return the CPU seconds of a refresh from phases in which agents only refresh."""
    added = sum(phase.console_cpu - background * phase.seconds for phase in phases)
    refreshes = sum(phase.refreshes for phase in phases)
    return max(0.0, added / refreshes) if refreshes else 0.0


def check(model: Model, run: Run) -> dict[str, float]:
    """Return predicted / measured for another run: CPU of its phases and of all, and database."""
    ratios = {
        name: _get_ratio(model.predict_cpu(phase), phase.console_cpu)
        for name, phase in run.phases.items()
        if name in (IDLE, *WORK)
    }
    predicted = sum(model.predict_cpu(phase) for phase in run.phases.values())
    ratios["all"] = _get_ratio(predicted, sum(one.console_cpu for one in run.phases.values()))
    ratios["database"] = _get_ratio(model.database.at(run.agents), run.database_bytes[1])
    return ratios


def _get_ratio(predicted: float, measured: float) -> float:
    return predicted / measured if measured else 0.0
