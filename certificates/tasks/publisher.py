"""Publish Celery tasks without blocking or failing the caller.

A background thread talks to the message broker, so a request does not wait for a broker that is
slow or unavailable. A task that is not published is not lost: `schedule_work` finds the unfinished
row and enqueues it again.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from celery import Task, current_app, shared_task

log = logging.getLogger(__name__)
SHARED_QUEUE = "shared"
MAX_PENDING = 1000
MAX_QUEUE_LENGTH = 50
ENQUEUED_AT_HEADER = "enqueued_at"
TASK_EXPIRES_SECONDS = 30
Function = TypeVar("Function", bound=Callable[..., None])


def get_server_queue(server_id: object) -> str:
    """Return the name of the queue that only the worker of this Primary Server consumes."""
    return f"server.{server_id}"


def accept_previous_name(name: str) -> Callable[[Function], Function]:
    """Register a task also under its name in the previous release.

    During a rolling upgrade, consoles of that release still publish it. Remove after one release.
    """

    def decorate(function: Function) -> Function:
        shared_task(name=f"certificates.tasks.{name}")(function)
        return function

    return decorate


@dataclass(frozen=True)
class TaskRequest:
    """A task to publish.

    With `only_if_empty`, it is published only if its queue is empty, so that tasks do not pile up.
    """

    task: str
    args: tuple[str, ...]
    queue: str
    only_if_empty: bool = False


class TaskPublisher:
    """Publish task requests in order, and merge identical requests that are still pending."""

    def __init__(self) -> None:
        self._requests: queue.Queue[TaskRequest] = queue.Queue(MAX_PENDING)
        self._pending: set[TaskRequest] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def enqueue(self, request: TaskRequest) -> None:
        """Add a request. It is ignored if an identical one is pending or the limit is reached."""
        with self._lock:
            if request in self._pending or self._requests.full():
                return
            self._pending.add(request)
            self._requests.put_nowait(request)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="task-publisher", daemon=True
                )
                self._thread.start()

    def count_pending(self) -> int:
        """Return the number of requests that the broker has not accepted yet."""
        return self._requests.qsize()

    def _run(self) -> None:
        while True:
            request = self._requests.get()
            with self._lock:
                self._pending.discard(request)
            try:
                _publish(request)
            except Exception as error:
                # The database holds the state. `schedule_work` enqueues the task again.
                log.warning("Could not publish %s to the message broker: %s", request.task, error)


def _publish(request: TaskRequest) -> None:
    with current_app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        length = int(channel.client.llen(request.queue))
        if length > (0 if request.only_if_empty else MAX_QUEUE_LENGTH):
            return
        task: Any = current_app.tasks[request.task]
        task.apply_async(
            args=request.args,
            queue=request.queue,
            connection=connection,
            retry=False,
            expires=TASK_EXPIRES_SECONDS,
            headers={ENQUEUED_AT_HEADER: datetime.now(UTC).isoformat()},
        )


_publisher = TaskPublisher()


def enqueue(task: Task[Any, Any], *args: str, queue: str, only_if_empty: bool = False) -> None:
    """Enqueue a task without blocking or raising if the broker is unavailable."""
    _publisher.enqueue(TaskRequest(task.name, args, queue, only_if_empty))


def count_pending() -> int:
    """Return the number of tasks of this process that the broker has not accepted yet."""
    return _publisher.count_pending()
