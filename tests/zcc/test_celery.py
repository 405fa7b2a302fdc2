"""Beat does not depend on the clock (D-190), and a worker continues after errors of the broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


SENT = """
import json, sys
from unittest.mock import patch
from celery.beat import Scheduler
from zcc.celery import app

app.loader.init_worker()
with patch.object(app, "send_task") as send:
    scheduler = Scheduler(app=app)
    for entry in list(scheduler.schedule.values()):
        scheduler.apply_async(entry)
loaded = [name for name in ("certificates.models", "devices.models") if name in sys.modules]
print(json.dumps({"sent": [call.args[0] for call in send.call_args_list], "loaded": loaded}))
"""


def test_beat_sends_all_periodic_tasks_without_loading_them():
    """Their modules need more memory than all the rest of beat."""
    result = subprocess.run(
        [sys.executable, "-c", SENT],
        env={**os.environ, "ZCC_PART": "beat"},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout)
    assert found["loaded"] == []
    tasks = [entry["task"] for entry in celery.app.conf.beat_schedule.values()]
    assert sorted(found["sent"]) == sorted(tasks)
