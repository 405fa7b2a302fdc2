"""Whether the worker of a Primary Server responds: heartbeats of the servers in the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from console.models import Heartbeat
from devices.models import Device, Zone

# A worker stores its heartbeat every 10 seconds.
TIMEOUT = timedelta(seconds=60)


def record_heartbeat(server: UUID, now: datetime) -> None:
    """Store that the worker of a Primary Server has run a task of its own queue."""
    Heartbeat.objects.record(server.hex, now)


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
