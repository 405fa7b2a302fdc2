"""What the queue carries: send one notification, looked up anew, beside the worker's other work."""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from celery import shared_task
from django.db import connection
from django.utils import timezone

from notifications.delivery import delivery

log = logging.getLogger(__name__)
# So many receivers at once may let a worker wait; what is due besides waits for the next sweep.
AT_ONCE = 8
_busy: set[UUID] = set()
_lock = threading.Lock()


@shared_task
def send(delivery_id: str) -> None:
    """Begin to send one notification; a slow receiver does not hold the worker's other work.

    The row is the truth: what ends with this process is due again, and one that is not due any
    more is left alone.
    """
    pk = UUID(delivery_id)
    with _lock:
        if pk in _busy or len(_busy) >= AT_ONCE:
            return
        _busy.add(pk)
    threading.Thread(target=_send, args=(pk,), name=f"notify-{pk}", daemon=True).start()


def _send(pk: UUID) -> None:
    try:
        delivery.send(pk, now=timezone.now())
    except Exception:
        log.exception("The notification %s could not be sent", pk)
    finally:
        connection.close()
        with _lock:
            _busy.discard(pk)
