"""Whether workers respond: heartbeats of each Primary Server, and of the periodic tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from console.models import Heartbeat
from devices.models import Device, Zone

# A heartbeat is stored every 10 seconds.
INTERVAL = timedelta(seconds=10)
TIMEOUT = timedelta(seconds=60)
# The name of the heartbeat of `schedule_work`. Existing databases contain it.
PERIODIC_TASKS = "sweep"


def record_heartbeat(server: UUID, now: datetime) -> None:
    """Store that the worker of a Primary Server has run a task of its own queue."""
    Heartbeat.objects.record(server.hex, now)


def record_periodic_heartbeat(now: datetime) -> None:
    """Store that a worker has run a task of beat, which proves that both are running."""
    if not list_recent_heartbeats(now).exists():
        Heartbeat.objects.record(PERIODIC_TASKS, now)


def list_recent_heartbeats(now: datetime) -> QuerySet[Heartbeat]:
    """Return the heartbeat of the periodic tasks if it does not have to be stored again yet."""
    return Heartbeat.objects.filter(name=PERIODIC_TASKS, at__gt=now - INTERVAL)


def get_last_heartbeat() -> datetime | None:
    """Return when the last heartbeat of the periodic tasks was stored, or None."""
    return Heartbeat.objects.filter(name=PERIODIC_TASKS).values_list("at", flat=True).first()


def is_worker_down(now: datetime) -> bool:
    """Return True if the background tasks have stopped, so that operations do not progress."""
    last = get_last_heartbeat()
    return last is not None and now - last > TIMEOUT


def is_available(server: Device, now: datetime) -> bool:
    """Return True if the worker of a Primary Server can take the CA role and its tasks.

    The last contact of the agent does not count: with an expired CA no agent can connect, and the
    agent of a server can refresh while its worker is stopped. It counts only until the worker has
    reported for the first time.

    See: D-21; D-167
    """
    last = Heartbeat.objects.filter(name=server.pk.hex).values_list("at", flat=True).first()
    if last is None:
        return server.is_online(now, Zone.objects.get_zone().refresh)
    return now - last <= TIMEOUT
