"""Send the notifications that are due, as the worker does."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from notifications.delivery import delivery


def send_all(now: datetime | None = None) -> list[bool]:
    """Send what is due at a time, by default now; return for each whether it was delivered."""
    now = now or timezone.now()
    return [delivery.send(pk, now=now) for pk in delivery.list_due(now)]
