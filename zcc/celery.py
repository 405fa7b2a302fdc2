"""The queue: a shared one for every worker, and one of its own for each Primary Server."""

from __future__ import annotations

import os

from celery import Celery

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
    }
}
