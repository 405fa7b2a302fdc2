"""The filter of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from audit.models import Entry


@dataclass(frozen=True)
class Filter:
    """Conditions that entries must meet; an empty value matches every entry."""

    q: str = ""
    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def entries(self) -> QuerySet[Entry]:
        """Return the matching entries, newest first."""
        found = Entry.objects.order_by("-seq")
        if self.q:
            found = found.filter(Q(note__icontains=self.q) | Q(subject__icontains=self.q))
        if self.actor:
            found = found.filter(actor=self.actor)
        if self.action:
            found = found.filter(action=self.action)
        if self.subject:
            found = found.filter(subject__icontains=self.subject)
        if self.since is not None:
            found = found.filter(at__gte=self.since)
        return found.filter(at__lt=self.until) if self.until is not None else found

    @property
    def is_active(self) -> bool:
        """Return True if any condition is set."""
        return self != Filter()
