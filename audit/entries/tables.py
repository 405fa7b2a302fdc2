"""The filter of the audit log, and the history of an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from audit.models import Entry, EntryObject

CHUNK_SIZE = 1000


@dataclass(frozen=True)
class Filter:
    """Conditions that entries must meet; an empty value matches every entry.

    `kind` is the model label of the subject. `subject` is an object that the entry names, or a part
    of the ID of its subject.
    """

    q: str = ""
    actor: str = ""
    action: str = ""
    kind: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def entries(self) -> QuerySet[Entry]:
        """Return the matching entries, newest first."""
        found = Entry.objects.order_by("-seq")
        if self.q:
            named = EntryObject.objects.filter(name__icontains=self.q)
            found = found.filter(
                Q(note__icontains=self.q)
                | Q(subject__icontains=self.q)
                | Q(seq__in=named.values("entry"))
            )
        if self.actor:
            found = found.filter(actor=self.actor)
        if self.action:
            found = found.filter(action=self.action)
        if self.kind:
            found = found.filter(subject__startswith=f"{self.kind}:")
        if self.subject:
            named = EntryObject.objects.filter(subject=self.subject)
            found = found.filter(
                Q(subject__icontains=self.subject) | Q(seq__in=named.values("entry"))
            )
        if self.since is not None:
            found = found.filter(at__gte=self.since)
        return found.filter(at__lt=self.until) if self.until is not None else found

    @property
    def is_active(self) -> bool:
        """Return True if any condition is set."""
        return self != Filter()


def list_last_entries(subject: str, count: int) -> list[Entry]:
    """Return the last entries that name an object, newest first.

    Two queries that each read `count` rows of an index, whatever the length of the log.
    """
    direct = Entry.objects.filter(subject=subject).order_by("-seq")
    named = EntryObject.objects.filter(subject=subject).order_by("-entry")
    numbers = {*direct.values_list("seq", flat=True)[:count]}
    numbers |= {*named.values_list("entry", flat=True)[:count]}
    return list(Entry.objects.filter(seq__in=numbers).order_by("-seq")[:count])


def iterate(found: QuerySet[Entry]) -> Iterator[list[Entry]]:
    """Yield all entries of a query in chunks, newest first, by their numbers.

    Entries that are added in the meantime neither repeat nor hide others.
    """
    found = found.order_by("-seq")
    chunk = list(found[:CHUNK_SIZE])
    while chunk:
        yield chunk
        chunk = list(found.filter(seq__lt=chunk[-1].seq)[:CHUNK_SIZE])
