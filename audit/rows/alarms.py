"""Alarms about rows that were changed in the database, and not by ZCC (D-170)."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils import timezone

from audit.models import AlteredRow, AuthenticatedModel, Entry

ACTION = "row-altered"
# The first rows are enough to see what happened.
MAX_ROWS = 1000
log = logging.getLogger(__name__)


def record(label: str, key: object, name: str) -> None:
    """Store an altered row and record an audit entry, once for each row."""
    rows = AlteredRow.objects.all()
    if rows.filter(label=label, key=str(key)).exists() or rows.count() >= MAX_ROWS:
        return
    with transaction.atomic():
        checkpoint = Entry.objects.lock_checkpoint()
        _row, is_new = AlteredRow.objects.get_or_create(
            label=label,
            key=str(key),
            defaults={"name": name[:200], "found_at": timezone.now()},
        )
        if is_new:
            Entry.objects.append(checkpoint, ACTION, f"{label}:{key}", note=name[:200])
            log.error("%s %s (%s) was changed in the database, and not by ZCC", label, key, name)


def is_authentic(row: AuthenticatedModel) -> bool:
    """Return True if a row that was just loaded was written by ZCC. Otherwise, raise the alarm."""
    if row.is_authentic():
        return True
    record(row._meta.label, row.pk, str(row))
    return False
