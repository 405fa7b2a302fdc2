"""Celery task that sends a notification."""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from celery import shared_task
from django.db import connection
from django.utils import timezone

from notifications.delivery import delivery

log = logging.getLogger(__name__)
# Maximum number of notifications that a worker sends at the same time.
MAX_THREADS = 8
_sending: set[UUID] = set()
_lock = threading.Lock()


@shared_task
def send(delivery_id: str) -> None:
    """Send a notification in a thread, so that a slow receiver does not block the worker.

    A notification that is not sent because this process ends becomes due again.
    """
    pk = UUID(delivery_id)
    with _lock:
        if pk in _sending or len(_sending) >= MAX_THREADS:
            return
        _sending.add(pk)
    threading.Thread(target=_send, args=(pk,), name=f"notify-{pk}", daemon=True).start()


def _send(pk: UUID) -> None:
    try:
        delivery.send(pk, now=timezone.now())
    except Exception:
        log.exception("Could not send notification %s", pk)
    finally:
        connection.close()
        with _lock:
            _sending.discard(pk)
