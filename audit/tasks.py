"""Celery task that forwards the audit log."""

from __future__ import annotations

import logging
import threading

from celery import shared_task
from django.db import connection
from django.utils import timezone

from audit.forwarding import forwarding

log = logging.getLogger(__name__)
_is_sending = threading.Lock()


@shared_task
def forward_entries() -> None:
    """Send entries in a thread, so that a slow syslog server does not block the worker.

    Entries that are not sent because this process ends are sent by the next task.
    """
    if _is_sending.acquire(blocking=False):
        threading.Thread(target=_send, name="forward-audit-log", daemon=True).start()


def _send() -> None:
    try:
        while forwarding.send_batch(timezone.now()):
            pass
    except Exception:
        log.exception("Could not forward the audit log")
    finally:
        connection.close()
        _is_sending.release()
