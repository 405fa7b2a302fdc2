"""The Celery app: a queue for all workers, and one for each Primary Server."""

from __future__ import annotations

import gc
import logging
import logging.config
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery, Task, signals
from celery.schedules import crontab, schedule
from celery.utils.log import get_multiprocessing_logger
from django.conf import settings

from console.requests import clock, logs
from zcc import broker_transport
from zcc.runtime import environment, processes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zcc.settings")

_started = datetime.now(UTC), time.monotonic()


def get_steady_time() -> datetime:
    """Return a time that follows no change of the clock.

    With the clock, beat would wait for a year after the clock was a year ahead.
    """
    at, running = _started
    return at + timedelta(seconds=time.monotonic() - running)


def run_every(seconds: float) -> schedule:
    """Return the schedule of a task that runs at an interval."""
    return schedule(timedelta(seconds=seconds), nowfun=get_steady_time)


class ClockedTask(Task):  # type: ignore[type-arg]  # not generic at run time
    """A task that does nothing while the clock of this server is wrong.

    `schedule_work` enqueues it again, for this or another server.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if clock.find_fault() is not None:
            return None
        return super().__call__(*args, **kwargs)


# Beat only sends names of tasks. Without Django's apps, it needs less than half of the memory.
IS_BEAT = environment.text(environment.PART) == "beat"
broker_transport.use_transport()
app = Celery("zcc", task_cls=ClockedTask, fixups=[] if IS_BEAT else None)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = "shared"
if not IS_BEAT:
    app.autodiscover_tasks()
app.conf.beat_schedule = {
    "schedule-work": {
        "task": "certificates.tasks.schedule.schedule_work",
        "schedule": run_every(2.0),
        "options": {"expires": 4, "ignore_result": True},
    },
    "check-certificates": {
        "task": "zcc.tasks.check_certificates",
        "schedule": crontab(hour=3, minute=17, nowfun=get_steady_time),
        "options": {"expires": 3600, "ignore_result": True},
    },
    "check-rows": {
        "task": "zcc.tasks.check_rows",
        "schedule": run_every(15.0),
        "options": {"expires": 20, "ignore_result": True},
    },
    "save-audit-checkpoints": {
        "task": "zcc.tasks.save_audit_checkpoints",
        "schedule": run_every(10.0),
        "options": {"expires": 20, "ignore_result": True},
    },
    "run-backups": {
        "task": "zcc.tasks.run_backups",
        "schedule": run_every(60.0),
        "options": {"expires": 50, "ignore_result": True},
    },
    "publish-agents": {
        "task": "zcc.tasks.publish_agents",
        "schedule": run_every(10.0),
        "options": {"expires": 20, "ignore_result": True},
    },
}


@signals.celeryd_init.connect
def discard_standard_output(**_: Any) -> None:
    """Discard what the worker prints as plain text when it is stopped. Logs are not part of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@signals.celeryd_init.connect
@signals.setup_logging.connect
def use_log_format(**_: Any) -> None:
    """Use the log format of the console for all lines. Celery then configures no format itself."""
    if IS_BEAT:
        # Otherwise, Django does this when it loads its apps.
        logging.config.dictConfig(settings.LOGGING)
    logs.log_uncaught_errors()
    # The messages about child processes have no handler without Celery's configuration.
    if (children := get_multiprocessing_logger()) is not None:
        children.setLevel(logging.ERROR)
        children.propagate = True


@signals.worker_init.connect
def disable_worker_inspection(**_: Any) -> None:
    """Protect the memory of the worker from other processes of the same user."""
    processes.disable_inspection()


@signals.worker_before_create_process.connect
def freeze_loaded_objects(**_: Any) -> None:
    """Keep loaded objects in memory pages that the worker's children share."""
    gc.collect()
    gc.freeze()


@signals.task_prerun.connect
def add_task_to_log_context(task_id: str = "", task: Any = None, **_: Any) -> None:
    """Add name and ID of the task to every line that it logs."""
    logs.add_log_context(task=getattr(task, "name", ""), request=task_id)
