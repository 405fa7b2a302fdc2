"""The worker processes of the swarm, seen from the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.processes import Family
from bench.swarm.calls import Call
from zcc.runtime import processes
from zcc.runtime.components import BASE_DIR

STOP_SECONDS = 20.0


@dataclass
class Samples:
    """What all agents did since the last time.

    `delays`: seconds between the time at which an agent was due and the time at which a worker
    process was free. `reached`: the time, the agent, and the stage that it reached.
    """

    calls: list[Call] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    reached: list[tuple[float, int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Standing:
    """The agents of a group by stage, those without contact, and those that crashed."""

    stages: Counter[str]
    silent: int
    crashed: int


class Pool:
    """The worker processes. Each agent belongs to one of them."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder, self._log = folder, log
        self._workers: list[subprocess.Popen[str]] = []

    def start(self, *, agents: int, workers: int, urls: list[str], key: str) -> None:
        """Start the processes and wait for them. `key` is the registration key of the devices."""
        for first in range(min(workers, agents)):
            numbers = list(range(first, agents, workers))
            config = {"folder": str(self._folder), "numbers": numbers, "urls": urls, "key": key}
            self._workers.append(self._start_worker(json.dumps(config)))
        for worker in self._workers:
            self._read(worker)

    def _start_worker(self, config: str) -> subprocess.Popen[str]:
        with self._log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "bench.swarm.worker"],
                cwd=BASE_DIR,
                # The other TLS programs of a device are no load of the console.
                env={**os.environ, "ZAC_TLS_STACKS": ""},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - short
            )
        _write(worker, config)
        return worker

    def command(self, do: str, **values: Any) -> list[dict[str, Any]]:
        """Send a command to all processes and return their responses."""
        line = json.dumps({"do": do, **values})
        for worker in self._workers:
            _write(worker, line)
        return [self._read(worker) for worker in self._workers]

    def count(self, group: str) -> Standing:
        """Count the agents of a group."""
        responses = self.command("count", group=group)
        stages: Counter[str] = Counter()
        for response in responses:
            stages.update(response["stages"])
        silent = sum(response["silent"] for response in responses)
        return Standing(stages, silent, sum(response["crashed"] for response in responses))

    def collect(self) -> Samples:
        """Return and delete what the agents did."""
        samples = Samples()
        for response in self.command("collect"):
            samples.calls += [Call(*call) for call in response["calls"]]
            samples.delays += response["delays"]
            samples.reached += [(at, number, stage) for at, number, stage in response["reached"]]
        return samples

    def spent(self) -> float:
        """Return the CPU seconds of all processes so far."""
        return sum(Family(worker.pid).spent() for worker in self._workers)

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.close()
        for worker in self._workers:
            try:
                worker.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()

    def _read(self, worker: subprocess.Popen[str]) -> dict[str, Any]:
        assert worker.stdout is not None
        line = worker.stdout.readline()
        if not line:
            raise RuntimeError(
                f"A process of the swarm has ended:\n{self._log.read_text()[-2000:]}"
            )
        response: dict[str, Any] = json.loads(line)
        return response


def _write(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


@contextmanager
def running(folder: Path, log: Path) -> Iterator[Pool]:
    """Yield a pool without processes, and end those that were started."""
    pool = Pool(folder, log)
    try:
        yield pool
    finally:
        pool.close()
