"""What the queue carries: send one notification, looked up anew."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from notifications import sending


@shared_task(soft_time_limit=45)
def send(delivery_id: str) -> None:
    """Send one notification; one that is not due any more is left alone."""
    sending.send(UUID(delivery_id), now=timezone.now())
