"""The one door through which a state changes, and the chained entry it leaves (S-40 to S-44)."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, TypeVar

from django.db import models, transaction
from django.utils import timezone

from audit.chain import actor
from audit.chain.states import Machine, WrongMove

M = TypeVar("M", bound="Moving")
START = "0" * 64


class Head(models.Model):
    """The last link of the chain. Its row lock makes the numbers gap-free on PostgreSQL."""

    seq = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default=START)

    def __str__(self) -> str:
        return f"{self.seq} {self.digest[:8]}"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Reads the chain and adds to its end."""

    def queue(self) -> Head:
        """Queue for the end of the chain until the transaction ends.

        Whoever writes a line waits here, before any other row is locked (the zone's alone goes
        first): so no two transactions ever wait for each other.
        """
        head, _ = Head.objects.select_for_update().get_or_create(pk=1)
        return head

    @transaction.atomic
    def record(self, action: str, subject: str, **what: Any) -> Entry:
        """Append one entry in the transaction of the act itself: no trace, no act (S-42).

        `what` may hold here, there, note and detail (a JSON object without any secret).
        """
        return self.append(self.queue(), action, subject, **what)

    def append(self, head: Head, action: str, subject: str, **what: Any) -> Entry:
        """Append one entry behind the head that `queue` returned in this transaction."""
        who = actor.current()
        said = {"action": action, "subject": subject, "actor": who.name, **what}
        entry = Entry(
            seq=head.seq + 1,
            at=timezone.now(),
            address=who.address,
            session=who.session,
            previous=head.digest,
            **{name: visible(value) for name, value in said.items()},
        )
        entry.digest = entry.reckon()
        entry.save(force_insert=True)
        Head.objects.filter(pk=1).update(seq=entry.seq, digest=entry.digest)
        return entry


class Entry(models.Model):
    """One line of the ledger: who did what to which thing, chained to the line before."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=200)
    address = models.CharField(max_length=64, blank=True)
    session = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64, db_index=True)
    subject = models.CharField(max_length=200, db_index=True)
    here = models.CharField(max_length=32, blank=True)
    there = models.CharField(max_length=32, blank=True)
    note = models.TextField(blank=True)
    detail = models.JSONField(default=dict)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}"

    def reckon(self) -> str:
        """Return the SHA-256 over this line and the digest of the one before."""
        values = {name: getattr(self, name) for name in _CHAINED}
        values["at"] = self.at.astimezone(UTC).isoformat()
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


_CHAINED = (
    *("seq", "actor", "address", "session", "action", "subject"),
    *("here", "there", "note", "detail", "previous"),
)


class MovingQuerySet(models.QuerySet[M]):
    """The only door through which a state changes."""

    machine: ClassVar[Machine]

    def open(self) -> Self:
        """Return those that can still move."""
        return self.exclude(state__in=self.machine.closed)

    @transaction.atomic
    def move(self, thing: M, there: str, *, note: str = "", **changes: Any) -> None:
        """Move one thing on. Of several callers at once exactly one wins, the others raise."""
        here = thing.state
        self.machine.check(here, there)
        head = Entry.objects.queue()
        if not self.filter(pk=thing.pk, state=here).update(state=there, **changes):
            raise WrongMove("It has moved on in the meantime. Nothing was changed.")
        label = f"{thing._meta.label}:{thing.pk}"
        Entry.objects.append(head, "move", label, here=here, there=there, note=note)
        thing.state = there
        for name, value in changes.items():
            setattr(thing, name, value)


class Moving(models.Model):
    """Something with a state that only `objects.move` changes."""

    state = models.CharField(max_length=24)

    class Meta:
        abstract = True


def visible(value: Any) -> Any:
    """Return a value with every control and direction character spelled out (S-43).

    A name from a certificate can then neither add a line to an export nor hide a part of one.
    """
    if isinstance(value, str):
        # The serials of a batch are many characters, and all of them plain.
        if value.isascii() and value.isprintable():
            return value
        return "".join(c if _is_visible(c) else f"\\u{ord(c):04x}" for c in value)
    if isinstance(value, dict):
        return {visible(key): visible(inner) for key, inner in value.items()}
    return [visible(inner) for inner in value] if isinstance(value, list | tuple) else value


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def utc(seconds: float) -> datetime:
    """Return the aware time of a wire value (seconds since 1970)."""
    return datetime.fromtimestamp(seconds, UTC)
