"""Beat does not depend on the clock (D-190), and a worker continues after errors of the broker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.beat import ScheduleEntry
from django.conf import settings
from kombu import Connection
from redis.exceptions import ResponseError

from zcc import celery


@pytest.fixture
def running(monkeypatch):
    """The running clock of beat."""
    seconds = {"now": celery._started[1] + 100}
    monkeypatch.setattr("zcc.celery.time.monotonic", lambda: seconds["now"])
    return seconds


def entries() -> list[Any]:
    found = celery.app.conf.beat_schedule
    app: Any = celery.app
    return [ScheduleEntry(name=name, app=app, **found[name]) for name in found]


def test_every_entry_follows_the_running_clock(running):
    assert {entry.default_now() for entry in entries()} == {
        celery._started[0] + timedelta(seconds=100)
    }


def test_a_task_is_due_after_its_interval_whatever_the_clock_shows(running, monkeypatch):
    entry = next(entry for entry in entries() if entry.name == "schedule-work")
    assert not entry.is_due().is_due
    # The clock was a year ahead, and is corrected.
    monkeypatch.setattr(celery.app, "now", lambda: celery._started[0] - timedelta(days=365))
    running["now"] += 2
    assert entry.is_due().is_due


def test_a_worker_connects_again_while_the_disk_of_the_broker_is_full():
    """Valkey then responds to each change with this error."""
    assert celery.app.conf.broker_channel_error_retry
    assert celery.app.conf.broker_connection_max_retries is None
    assert ResponseError in Connection(settings.CELERY_BROKER_URL).channel_errors
