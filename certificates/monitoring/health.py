"""Whether each part works: database, broker, worker, beat, vault, disk (B-23, S-109)."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from certificates.tasks import enqueue
from console.models import Pulse
from devices.identity import zone_keys
from devices.models import Device
from faults import Fault

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
DEGRADED = "degraded"
SWEEP = "sweep"
SHARED = "shared"
# The sweep runs every few seconds; it is noted once in this time, and missed after the other.
NOTED_EVERY = timedelta(seconds=10)
MISSED_AFTER = timedelta(seconds=60)
BROKER_ANSWERS_WITHIN = 0.5
DISK_FREE_AT_LEAST = 256 * 1024 * 1024


@dataclass(frozen=True)
class Queue:
    """What waits in one queue: how many tasks, and since when the oldest of them."""

    length: int
    since: datetime | None

    def age(self, now: datetime) -> float:
        """Return for how many seconds the oldest task has waited; 0 where none does."""
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


def note_sweep(now: datetime) -> None:
    """Note that a worker did what beat asked for: both are alive."""
    seen = swept_at()
    if seen is None or now - seen >= NOTED_EVERY:
        Pulse.objects.update_or_create(name=SWEEP, defaults={"at": now})


def swept_at() -> datetime | None:
    """Return when a worker was last seen at work; None before the first time."""
    return Pulse.objects.filter(name=SWEEP).values_list("at", flat=True).first()


def is_sweep_missed(now: datetime) -> bool:
    """Tell whether the background work has stopped: operations do not move on."""
    seen = swept_at()
    return seen is not None and now - seen > MISSED_AFTER


def parts(now: datetime) -> dict[str, str]:
    """Return how each part stands: ok, failed, or unknown where another part hides it."""
    found = dict.fromkeys(("database", "broker", "worker", "beat", "vault", "disk"), UNKNOWN)
    found["disk"] = OK if free_bytes() >= DISK_FREE_AT_LEAST else FAILED
    waiting = look_into([SHARED])
    found["broker"] = OK if waiting is not None else FAILED
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found["database"] = OK
        found["worker"], found["beat"] = _background(now, waiting)
        found["vault"] = OK if _vault_opens() else FAILED
    except DatabaseError:
        found["database"] = FAILED
        # The next request shall not be given a connection that is dead.
        connection.close_if_unusable_or_obsolete()
    return found


def overall(found: dict[str, str]) -> str:
    """Return the whole: failed without a database, degraded while any part is not well."""
    if found["database"] == FAILED:
        return FAILED
    return OK if set(found.values()) == {OK} else DEGRADED


def _background(now: datetime, waiting: dict[str, Queue] | None) -> tuple[str, str]:
    """Tell worker and beat apart: work that piles up lacks a worker, no work at all lacks beat."""
    seen = swept_at()
    if seen is not None and now - seen <= MISSED_AFTER:
        return OK, OK
    if waiting is None:
        return UNKNOWN, UNKNOWN
    return (FAILED, OK) if waiting[SHARED].length else (UNKNOWN, FAILED)


def _vault_opens() -> bool:
    """Open the zone key anew, as after a restart; a key in memory would prove nothing."""
    try:
        return bool(zone_keys.Keyring(Path(settings.SERVER_HOME)).zone_key)
    except Fault:
        return False


def free_bytes() -> int:
    """Return how much room is left where this server keeps its files; 0 where it has no place."""
    try:
        return shutil.disk_usage(settings.SERVER_HOME).free
    except OSError:
        return 0


def queues() -> list[str]:
    """Return the names of every queue: the shared one, and that of each Primary Server."""
    return [
        SHARED,
        *(f"server.{guid}" for guid in Device.objects.primaries().values_list("pk", flat=True)),
    ]


def look_into(names: list[str]) -> dict[str, Queue] | None:
    """Return what waits in each queue; None where the broker does not answer in time."""
    asked = _broker_thread().submit(_ask_broker, names)
    try:
        return asked.result(BROKER_ANSWERS_WITHIN)
    except (redis.RedisError, OSError, TimeoutError):
        # Nobody waits for it any more: it shall not delay the next one who asks.
        asked.cancel()
        return None


@lru_cache(maxsize=1)
def _broker_thread() -> ThreadPoolExecutor:
    """Return the one thread that waits for the broker, so that no request does for longer."""
    return ThreadPoolExecutor(1, thread_name_prefix="broker-check")


def _ask_broker(names: list[str]) -> dict[str, Queue]:
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://")
    broker = redis.Redis.from_url(
        url,
        socket_timeout=BROKER_ANSWERS_WITHIN,
        socket_connect_timeout=BROKER_ANSWERS_WITHIN,
        retry=Retry(NoBackoff(), 0),
    )
    with broker, broker.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.llen(name)
            pipeline.lindex(name, -1)
        told = pipeline.execute()
    return {
        name: Queue(length, _since(oldest))
        for name, length, oldest in zip(names, told[::2], told[1::2], strict=True)
    }


def _since(message: bytes | None) -> datetime | None:
    """Return since when a task waits, as its header tells; at the latest since it expired."""
    try:
        headers = json.loads(message or b"{}").get("headers", {})
        return datetime.fromisoformat(headers.get(enqueue.RUNG_AT) or headers.get("expires") or "")
    except (ValueError, AttributeError, TypeError):
        return None
