"""What one phase and one run of the swarm measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.swarm.calls import EXPIRED, OK, REFUSED, REJECTED, UNREACHABLE
from bench.swarm.pool import Samples

REFRESH = "refresh"
# The CPU time of the agents is that of other machines.
SWARM = "swarm"


@dataclass(frozen=True)
class Phase:
    """One phase of a run.

    `items` is how many agents reached the goal, `missed` how many did not, and `work_seconds` the
    time until the last one did. `cpu` has the seconds of each part. `p50`, `p99`, and `slowest` are
    durations of calls in seconds, and `delay_p99` is how long agents were waiting for a process.
    """

    name: str
    items: int
    missed: int
    seconds: float
    work_seconds: float
    cpu: dict[str, float]
    kinds: dict[str, int]
    results: dict[str, int]
    p50: float
    p99: float
    slowest: float
    delay_p99: float

    @property
    def rate(self) -> float:
        """Agents per second that reached the goal."""
        return self.items / self.work_seconds if self.work_seconds else 0.0

    @property
    def calls(self) -> int:
        """The number of calls, also of those that failed."""
        return sum(self.results.values())

    @property
    def refreshes(self) -> int:
        """The number of refreshes."""
        return self.kinds.get(REFRESH, 0)

    @property
    def console_cpu(self) -> float:
        """CPU seconds of the console with its database, broker, and the agents of its servers."""
        return sum(seconds for part, seconds in self.cpu.items() if part != SWARM)

    @property
    def refusals(self) -> int:
        """Calls that a server or an agent rejected, apart from those of an expired CA."""
        return self.results.get(REFUSED, 0) + self.results.get(REJECTED, 0)

    @property
    def expired(self) -> int:
        """Connections that an agent rejected because the zone CA had expired."""
        return self.results.get(EXPIRED, 0)

    @property
    def unreachable(self) -> int:
        """Calls without a response. The agents repeat them."""
        return self.results.get(UNREACHABLE, 0)


@dataclass(frozen=True)
class Run:
    """One run. `database_bytes` is the size before the enrollment and at the end.

    `memory_mb` is the memory (PSS) of each part at the end, `activated` how many devices have
    activated the new CA according to the console, and `silent` how many agents have no contact.
    """

    agents: int
    consoles: int
    database: str
    refresh_seconds: int
    phases: dict[str, Phase] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    database_bytes: tuple[int, int] = (0, 0)
    connection_kb: float = 0.0
    activated: int = 0
    silent: int = 0

    @property
    def refusals(self) -> int:
        """Rejected calls of all phases. An expired CA is a reason only in the last phases."""
        unexpected = [
            phase.expired for name, phase in self.phases.items() if name not in AFTER_EXPIRY
        ]
        return sum(phase.refusals for phase in self.phases.values()) + sum(unexpected)

    @property
    def lost(self) -> int:
        """Agents that did not reach a goal, that the console does not know, or without contact.

        An agent that is not prepared at the activation is late, but activates when it is.
        """
        missed = [phase.missed for name, phase in self.phases.items() if name != PREPARATION]
        return max(*missed, self.agents - self.activated, self.silent)

    @property
    def console_cpu(self) -> float:
        """CPU seconds of the console in all phases in which agents work towards a goal."""
        return sum(self.phases[name].console_cpu for name in WORK)


# In this order. Agents have a goal in those of WORK.
START, REST, ENROLL, IDLE, PREPARATION = "start", "rest", "enroll", "idle", "preparation"
STORM, EXPIRY, RECOVERY = "storm", "expiry", "recovery"
WORK = (ENROLL, PREPARATION, STORM, RECOVERY)
AFTER_EXPIRY = (RECOVERY,)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of the values does not exceed, 0 for none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def summarize(
    name: str,
    samples: Samples,
    *,
    items: int,
    missed: int,
    began: float,
    work_from: float,
    ended: float,
    goals: Iterable[str],
    cpu: dict[str, float],
) -> Phase:
    """Return the figures of a phase between two times of the monotonic clock.

    Agents can work from `work_from` on, the time of the activation in the storm.
    """
    durations = [call.seconds for call in samples.calls if call.result == OK]
    wanted = set(goals)
    reached = [at for at, _number, stage in samples.reached if stage in wanted]
    return Phase(
        name=name,
        items=items,
        missed=missed,
        seconds=ended - began,
        work_seconds=max(reached, default=ended) - work_from,
        cpu=cpu,
        kinds=dict(Counter(call.kind for call in samples.calls if call.result == OK)),
        results=dict(Counter(call.result for call in samples.calls)),
        p50=percentile(durations, 0.5),
        p99=percentile(durations, 0.99),
        slowest=max(durations, default=0.0),
        delay_p99=percentile(samples.delays, 0.99),
    )
