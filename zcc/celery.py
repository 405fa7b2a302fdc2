"""The queue: a shared one for every worker, and one of its own for each Primary Server."""

from __future__ import annotations

import gc
import os
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab

from console.requests import logs
from zcc.runtime import processes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")

app = Celery("zcc")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = "shared"
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "sweep": {
        "task": "certificates.tasks.sweep",
        "schedule": 2.0,
        "options": {"expires": 4, "ignore_result": True},
    },
    "check-certificates": {
        "task": "zcc.tasks.check_certificates",
        "schedule": crontab(hour=3, minute=17),
        "options": {"expires": 3600, "ignore_result": True},
    },
    "keep-audit-head": {
        "task": "zcc.tasks.keep_audit_head",
        "schedule": 10.0,
        "options": {"expires": 20, "ignore_result": True},
    },
}


@signals.worker_init.connect
def hide(**_: Any) -> None:
    """Keep what the worker opens from the other parts, which run as the same user."""
    processes.hide()


@signals.worker_before_create_process.connect
def share_memory(**_: Any) -> None:
    """Let the child share the pages of what is loaded: collecting must not touch them."""
    gc.collect()
    gc.freeze()


@signals.task_prerun.connect
def name_task(task_id: str = "", task: Any = None, **_: Any) -> None:
    """Let every line that a task logs tell which one it was."""
    logs.note(task=getattr(task, "name", ""), request=task_id)
