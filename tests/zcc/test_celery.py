"""Beat and its tasks do not depend on the clock of the server (D-190)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.beat import ScheduleEntry

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
