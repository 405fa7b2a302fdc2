"""The size of a run, and how long its phases take.

The zone CA expires shortly after the activation, because the last phase needs an expired CA. So
all times are calculated before the zone is created.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# So that an agent is away, and others are not.
MIN_AGENTS = 5
# Every n-th agent is away from the preparation until the old zone CA has expired.
AWAY = 5
# Seconds from the creation of the zone CA until the console and the agents have started. On a
# machine that is busy, it takes longer, as the migration of the empty database before it does.
START_SECONDS, START_MIGRATIONS = 60, 2
# The console copies the update to all content servers before it assigns it.
REPLICATION_SECONDS = 15
# The minimum lead time of a demo zone is one minute.
MIN_LEAD_SECONDS = 75
MARGIN_SECONDS = 20


@dataclass(frozen=True)
class Plan:
    """One run. `pace` is how many devices this machine serves per second, in any phase."""

    agents: int
    consoles: int = 1
    workers: int = 8
    pace: float = 8.0
    start_seconds: int = 5
    rest_seconds: int = 10

    @property
    def work_seconds(self) -> float:
        """How long each agent once takes, all together."""
        return self.agents / self.pace

    @property
    def refresh_seconds(self) -> int:
        """The refresh interval of the zone. With it, the agents keep the pace."""
        return max(10, math.ceil(self.work_seconds))

    @property
    def idle_seconds(self) -> int:
        """The time in which the agents only refresh."""
        return min(max(20, self.refresh_seconds), 90)

    @property
    def lead_seconds(self) -> int:
        """The time from the start of the operation until the activation.

        An agent receives the update at its next refresh, at most 1.2 intervals later.
        """
        return max(
            MIN_LEAD_SECONDS, REPLICATION_SECONDS + 45 + math.ceil(1.4 * self.refresh_seconds)
        )

    @property
    def storm_seconds(self) -> int:
        """The time in which the activation of all agents should be over."""
        return MARGIN_SECONDS + math.ceil(self.work_seconds)

    def get_ca_seconds(self, migration_seconds: float) -> int:
        """Return the life of the first zone CA on a machine that has just migrated a database."""
        start = self.consoles * (START_SECONDS + START_MIGRATIONS * migration_seconds)
        before = math.ceil(start + self.work_seconds) + self.start_seconds + self.rest_seconds
        after = self.idle_seconds + self.lead_seconds + self.storm_seconds
        return before + MARGIN_SECONDS + after + MARGIN_SECONDS

    @property
    def limit_seconds(self) -> float:
        """After this time, agents that have not reached the goal of a phase are lost."""
        return 240 + 4 * self.work_seconds

    @property
    def away(self) -> list[int]:
        """The numbers of the agents that miss the change."""
        return list(range(0, self.agents, AWAY))


def get_sizes(agents: int) -> list[int]:
    """Return the numbers of agents of all runs: two for the model, and the last one to check it."""
    return sorted({max(MIN_AGENTS, size) for size in (agents // 9, agents // 3, agents)})
