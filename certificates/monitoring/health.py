"""Health of the components: database, clock, broker, worker, beat, vault, disk."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from certificates.monitoring import workers
from certificates.tasks import publisher
from console.requests import clock
from devices.identity import zone_keys
from devices.models import Device
from faults import Fault

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
DEGRADED = "degraded"
BROKER_TIMEOUT_SECONDS = 0.5
PARTS = ("database", "clock", "broker", "worker", "beat", "vault", "disk")
# Fields of INFO persistence, and the value after a failure.
WRITE_STATES = ("aof_last_write_status", "rdb_last_bgsave_status")
FAILED_WRITE = "err"
MIN_FREE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class QueueState:
    """The number of tasks in a queue, and when the oldest of them was enqueued."""

    length: int
    oldest_enqueued_at: datetime | None

    def age(self, now: datetime) -> float:
        """Return the age of the oldest task in seconds, or 0 if the queue is empty."""
        if self.oldest_enqueued_at is None:
            return 0.0
        return max(0.0, (now - self.oldest_enqueued_at).total_seconds())


def get_component_states(now: datetime) -> dict[str, str]:
    """Return the state of each component.

    A state is `ok`, `failed`, or `unknown` if the failure of another component hides it.
    """
    states = dict.fromkeys(PARTS, UNKNOWN)
    states["disk"] = OK if get_free_bytes() >= MIN_FREE_BYTES else FAILED
    queues = get_queue_states([publisher.SHARED_QUEUE])
    states["broker"] = OK if queues is not None else FAILED
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        states["database"] = OK
        states["clock"] = OK if clock.find_fault() is None else FAILED
        if states["clock"] == OK:
            states["worker"], states["beat"] = _get_background_states(now, queues)
        states["vault"] = OK if _can_open_vault() else FAILED
    except DatabaseError:
        states["database"] = FAILED
        # Do not leave a broken connection to the next request.
        connection.close_if_unusable_or_obsolete()
    return states


def get_overall_state(states: dict[str, str]) -> str:
    """Return `failed` if this server cannot work, `degraded` if any component is not `ok`.

    It cannot work without a database or with a wrong clock.
    """
    if FAILED in (states["database"], states["clock"]):
        return FAILED
    return OK if set(states.values()) == {OK} else DEGRADED


def _get_background_states(now: datetime, queues: dict[str, QueueState] | None) -> tuple[str, str]:
    """Return the states of worker and beat.

    Without a recent heartbeat, a growing queue means that the worker has stopped, and an empty
    queue that beat has stopped.
    """
    last = workers.get_last_heartbeat()
    if last is not None and now - last <= workers.TIMEOUT:
        return OK, OK
    if queues is None:
        return UNKNOWN, UNKNOWN
    return (FAILED, OK) if queues[publisher.SHARED_QUEUE].length else (UNKNOWN, FAILED)


def _can_open_vault() -> bool:
    """Return True if the zone key can be read from disk. A key in memory would prove nothing."""
    try:
        return bool(zone_keys.Keyring(Path(settings.SERVER_HOME)).zone_key)
    except Fault:
        return False


def get_free_bytes() -> int:
    """Return the free bytes of the data directory's file system, or 0 if it does not exist."""
    try:
        return shutil.disk_usage(settings.SERVER_HOME).free
    except OSError:
        return 0


def list_queues() -> list[str]:
    """Return the names of all queues: the shared one and one for each Primary Server."""
    return [
        publisher.SHARED_QUEUE,
        *map(publisher.get_server_queue, Device.objects.primaries().values_list("pk", flat=True)),
    ]


def get_queue_states(names: list[str]) -> dict[str, QueueState] | None:
    """Return the state of each queue, or None if the broker does not respond or accept tasks."""
    future = _get_broker_executor().submit(_query_broker, names)
    try:
        return future.result(BROKER_TIMEOUT_SECONDS)
    except (redis.RedisError, OSError, TimeoutError):
        # The result is no longer needed. It must not delay the next caller.
        future.cancel()
        return None


@lru_cache(maxsize=1)
def _get_broker_executor() -> ThreadPoolExecutor:
    """Return the single thread that connects to the broker, so that requests do not block on it."""
    return ThreadPoolExecutor(1, thread_name_prefix="broker-check")


def _query_broker(names: list[str]) -> dict[str, QueueState]:
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://")
    broker = redis.Redis.from_url(
        url,
        socket_timeout=BROKER_TIMEOUT_SECONDS,
        socket_connect_timeout=BROKER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    with broker, broker.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.llen(name)
            pipeline.lindex(name, -1)
        pipeline.info("persistence")
        *results, persistence = pipeline.execute()
    # A broker that cannot write its file, for example because the disk is full, rejects all tasks.
    if FAILED_WRITE in [persistence.get(name) for name in WRITE_STATES]:
        raise redis.ResponseError
    return {
        name: QueueState(length, _get_enqueue_time(oldest))
        for name, length, oldest in zip(names, results[::2], results[1::2], strict=True)
    }


def _get_enqueue_time(message: bytes | None) -> datetime | None:
    """Return when a task was enqueued, from its headers. Its expiry time is the fallback."""
    try:
        headers = json.loads(message or b"{}").get("headers", {})
        return datetime.fromisoformat(
            headers.get(publisher.ENQUEUED_AT_HEADER) or headers.get("expires") or ""
        )
    except (ValueError, AttributeError, TypeError):
        return None
