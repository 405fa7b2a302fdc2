"""Summaries of audit entries that were not recorded because a limit was reached (D-134)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from audit.chain.action_labels import get_label
from audit.models import Entry, EntryCount
from audit.models.entries import MAX_ENTRIES_A_DAY

# An event of the last moment of a day can still be in a transaction when the next day begins.
MARGIN = timedelta(minutes=10)


def record_summaries(now: datetime) -> int:
    """Record one entry for each limit that was exceeded on a past day, and delete its count.

    Returns the number of entries. The day is a day in UTC.
    """
    past = EntryCount.objects.filter(day__lt=(now - MARGIN).date())
    if not past.exists():
        return 0
    with transaction.atomic():
        # A concurrent worker blocks here, and then finds no rows.
        checkpoint = Entry.objects.lock_checkpoint()
        exceeded = list(past.filter(count__gt=MAX_ENTRIES_A_DAY).order_by("day", "source", "kind"))
        for count in exceeded:
            Entry.objects.append(
                checkpoint,
                "omitted",
                count.source,
                note=_describe(count),
                detail={"kind": count.kind, "day": count.day.isoformat(), "count": count.count},
            )
            checkpoint.refresh_from_db()
        past.delete()
    return len(exceeded)


def _describe(count: EntryCount) -> str:
    action, _separator, label = count.kind.partition(":")
    kind = f"{get_label(action)} ({label})" if label else get_label(action)
    more = count.count - MAX_ENTRIES_A_DAY
    return _("And %(more)d more on %(day)s: %(kind)s") % {
        "more": more,
        "day": count.day.isoformat(),
        "kind": kind,
    }
