"""Ring for work: publish tasks without ever delaying or failing the caller (S-105).

A thread of its own talks to the broker, so a dead or frozen one costs a request nothing. What is
not published is not lost: the sweep finds the same rows again.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celery import Task, current_app

log = logging.getLogger(__name__)
WAITING_AT_MOST = 1000
PILED_AT_MOST = 50
# The header of a task that tells since when it waits.
RUNG_AT = "rung_at"


@dataclass(frozen=True)
class Ring:
    """One task to publish. `once`: only while its queue is empty, so that nothing piles up."""

    task: str
    args: tuple[str, ...]
    queue: str
    once: bool = False


class Doorbell:
    """Publishes rings in order, each kind once while it waits."""

    def __init__(self) -> None:
        self._rings: queue.Queue[Ring] = queue.Queue(WAITING_AT_MOST)
        self._waiting: set[Ring] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self, ring: Ring) -> None:
        """Leave a ring to be published; the same one twice is one."""
        with self._lock:
            if ring in self._waiting or self._rings.full():
                return
            self._waiting.add(ring)
            self._rings.put_nowait(ring)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()

    def waiting(self) -> int:
        """Return how many rings the broker has not taken yet."""
        return self._rings.qsize()

    def _run(self) -> None:
        while True:
            ring = self._rings.get()
            with self._lock:
                self._waiting.discard(ring)
            try:
                _publish(ring)
            except Exception as error:
                # Whatever the broker does, the rows are the truth.
                log.warning("The broker did not take %s: %s", ring.task, error)


def _publish(ring: Ring) -> None:
    with current_app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        piled = int(channel.client.llen(ring.queue))
        if piled > (0 if ring.once else PILED_AT_MOST):
            return
        task: Any = current_app.tasks[ring.task]
        task.apply_async(
            args=ring.args,
            queue=ring.queue,
            connection=connection,
            retry=False,
            expires=30,
            headers={RUNG_AT: datetime.now(UTC).isoformat()},
        )


_doorbell = Doorbell()


def ring(task: Task[Any, Any], *args: str, queue: str, once: bool = False) -> None:
    """Ask some worker of a queue to run a task; never blocks and never raises."""
    _doorbell.ring(Ring(task.name, args, queue, once))


def waiting() -> int:
    """Return how many rings of this process wait to be published."""
    return _doorbell.waiting()
