"""Periodic tasks that belong to no app."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from certificates.monitoring import workers
from console.models import Heartbeat
from zcc.tasks import save_audit_checkpoint


def test_the_worker_of_each_server_reports_that_it_runs(zone):
    save_audit_checkpoint()
    server = zone.device(zone.first)
    assert Heartbeat.objects.get(name=server.pk.hex).at > timezone.now() - timedelta(minutes=1)
    assert not workers.is_worker_down(timezone.now()), "that is another heartbeat"
