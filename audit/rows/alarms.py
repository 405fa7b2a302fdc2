"""Alarms about rows that were changed in the database, and not by ZCC (D-170)."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from audit.models import AlteredRow, AuthenticatedModel, Entry

R = TypeVar("R", bound=AuthenticatedModel)
ACTION = "row-altered"
DECISIONS = ("accept-row", "remove-row")
# The first rows of a day are enough to see what happened.
MAX_ROWS = 1000
log = logging.getLogger(__name__)


def record(label: str, key: object, name: str) -> None:
    """Store an altered row and record an audit entry, once for each row.

    The audit log decides whether the row is new. A row of the table of alarms that was inserted
    with SQL thus suppresses neither the entry nor the notification.
    """
    if _is_recorded(label, key) or _count_of_the_day() >= MAX_ROWS:
        return
    with transaction.atomic():
        checkpoint = Entry.objects.lock_checkpoint()
        if _is_recorded(label, key):
            return
        AlteredRow.objects.update_or_create(
            label=label,
            key=str(key),
            defaults={"name": name[:200], "found_at": timezone.now()},
        )
        Entry.objects.append(checkpoint, ACTION, f"{label}:{key}", note=name[:200])
    log.error("%s %s (%s) was changed in the database, and not by ZCC", label, key, name)


def _is_recorded(label: str, key: object) -> bool:
    """Return True if the row is listed, and the last audit entry about it is the alarm."""
    if not AlteredRow.objects.filter(label=label, key=str(key)).exists():
        return False
    entries = Entry.objects.filter(subject=f"{label}:{key}", action__in=(ACTION, *DECISIONS))
    last = entries.order_by("-seq").values_list("action", flat=True).first()
    return last == ACTION


def _count_of_the_day() -> int:
    since = timezone.now() - timedelta(days=1)
    return Entry.objects.filter(action=ACTION, at__gte=since).count()


def check(row: R) -> R:
    """Return a row that was just loaded. If it was altered, raise the alarm and RowAltered."""
    return row if is_authentic(row) else row.check_row_mac()


def is_authentic(row: AuthenticatedModel) -> bool:
    """Return True if a row that was just loaded was written by ZCC. Otherwise, raise the alarm."""
    if row.is_authentic():
        return True
    record(row._meta.label, row.pk, str(row))
    return False
