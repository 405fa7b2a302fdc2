"""A process of the swarm. It runs its agents one after another, when they are due.

A command is a line of JSON on standard input, and its response a line on standard output. The first
line contains the agents, the servers, and the registration key.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import select
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from bench.swarm.agent import Agent
from bench.swarm.calls import Call, Contexts

# The groups of agents: those that are there all the time, and those that are away for a while.
PRESENT, RETURNING = "present", "returning"
MAX_PAUSE = 1.0


class Schedule:
    """Numbers of agents by the time at which they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._due: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def set(self, number: int, due: float) -> None:
        """Set when an agent is due, in place of the time that it had. Infinity removes it."""
        if math.isinf(due):
            self.remove(number)
            return
        self._due[number] = due
        heapq.heappush(self._heap, (due, number))

    def remove(self, number: int) -> None:
        """Remove an agent, if it is in the schedule."""
        self._due.pop(number, None)

    def get_next(self) -> float:
        """Return when the next agent is due, infinity if there is none."""
        # Entries that were replaced or removed remain in the heap until they are the first one.
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def take(self, now: float) -> tuple[int, float] | None:
        """Remove and return an agent that is due, and since when. Return None if there is none."""
        if self.get_next() > now:
            return None
        due, number = heapq.heappop(self._heap)
        del self._due[number]
        return number, due


class Worker:
    """The agents of one process and what they did."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._urls, self._key = config["urls"], config["key"]
        self._calls: list[Call] = []
        self._delays: list[float] = []
        self._reached: list[tuple[float, int, str]] = []
        self._crashed: Counter[str] = Counter()
        self._schedule = Schedule()
        folder = Path(config["folder"])
        contexts: Contexts = {}
        self._agents = {
            number: Agent(number, folder, contexts, self._calls.append)
            for number in config["numbers"]
        }
        self._stages: dict[int, str] = {
            number: agent.stage for number, agent in self._agents.items()
        }

    def run_next(self) -> bool:
        """Run an agent that is due; return False if there is none."""
        now = time.monotonic()
        taken = self._schedule.take(now)
        if taken is None:
            return False
        number, due = taken
        self._delays.append(now - due)
        agent = self._agents[number]
        try:
            agent.run_due()
        except Exception:
            # It stays out of the schedule, so it is among the lost ones.
            self._crashed[_get_group(agent)] += 1
            traceback.print_exc()
            return True
        self._schedule.set(number, agent.due)
        self._note_stage(agent)
        return True

    def get_pause(self) -> float:
        """Return for how many seconds no agent is due, at most one second."""
        return max(0.0, min(MAX_PAUSE, self._schedule.get_next() - time.monotonic()))

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run a command and return its response."""
        response: dict[str, Any] = getattr(self, f"do_{command.pop('do')}")(**command)
        return response

    def do_enroll(self) -> dict[str, Any]:
        """Register all agents now, at the servers in turn."""
        for number, agent in self._agents.items():
            agent.enroll(self._urls[number % len(self._urls)], self._key)
            self._schedule.set(number, agent.due)
        return {}

    def do_settle(self) -> dict[str, Any]:
        """Spread the refreshes of all agents over an interval."""
        for number, agent in self._agents.items():
            agent.settle()
            self._schedule.set(number, agent.due)
        return {}

    def do_leave(self, numbers: list[int]) -> dict[str, Any]:
        """Stop some agents until they return."""
        for number in self._agents.keys() & set(numbers):
            self._agents[number].is_returning = True
            self._schedule.remove(number)
        return {}

    def do_return(self) -> dict[str, Any]:
        """Start the agents that are away, as after a start of these devices."""
        for number, agent in self._agents.items():
            if agent.is_returning:
                agent.start()
                self._schedule.set(number, agent.due)
        return {}

    def do_count(self, group: str) -> dict[str, Any]:
        """Count the agents of a group by stage, and those that have lost contact or crashed."""
        agents = [agent for agent in self._agents.values() if _get_group(agent) == group]
        return {
            "stages": Counter(
                self._stages[agent.number] for agent in agents if not agent.is_silent
            ),
            "silent": sum(agent.is_silent for agent in agents),
            "crashed": self._crashed[group],
        }

    def do_collect(self) -> dict[str, Any]:
        """Return the calls and delays since the last time, and which agents reached which stage."""
        collected = {
            "calls": list(self._calls),
            "delays": list(self._delays),
            "reached": list(self._reached),
        }
        self._calls.clear()
        self._delays.clear()
        self._reached.clear()
        return collected

    def _note_stage(self, agent: Agent) -> None:
        stage = agent.stage
        if stage != self._stages[agent.number]:
            self._stages[agent.number] = stage
            self._reached.append((time.monotonic(), agent.number, stage))


def _get_group(agent: Agent) -> str:
    return RETURNING if agent.is_returning else PRESENT


def main() -> None:
    """Run until standard input is closed."""
    os.umask(0o077)
    # Without a buffer, in which a command could wait unnoticed.
    with open(0, "rb", buffering=0) as commands:
        worker = Worker(json.loads(commands.readline()))
        _respond({})
        while True:
            is_pending, _, _ = select.select([commands], [], [], worker.get_pause())
            if is_pending:
                line = commands.readline()
                if not line:
                    return
                _respond(worker.obey(json.loads(line)))
            worker.run_next()


def _respond(response: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(response) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
