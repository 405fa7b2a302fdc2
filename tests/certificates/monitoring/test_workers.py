"""Whether the worker of a Primary Server responds."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from certificates.monitoring import workers
from tests.support import factories


def test_a_server_is_available_if_its_worker_responds(zone):
    """The contact of its agent does not count (D-167)."""
    now, server = timezone.now(), factories.server("ps-02")
    assert workers.is_available(server, now), "no worker of this version has run yet"
    workers.record_heartbeat(server.pk, now - timedelta(minutes=2))
    assert not workers.is_available(server, now), "the agent refreshes, but the worker is stopped"
    workers.record_heartbeat(server.pk, now)
    server.last_contact = now - timedelta(days=366)
    assert workers.is_available(server, now), "the CA has expired, so no agent can connect"
