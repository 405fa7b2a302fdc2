"""The audit log and its hash chain, and the base class of all models that have a state."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, TypeVar

from django.db import models, transaction
from django.utils import timezone

from audit.chain import actor
from audit.chain.action_labels import get_label
from audit.chain.states import InvalidTransition, StateMachine

M = TypeVar("M", bound="StatefulModel")
GENESIS_DIGEST = "0" * 64


class Checkpoint(models.Model):
    """Number and digest of the last entry. Locking this row keeps the numbers without gaps."""

    seq = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default=GENESIS_DIGEST)

    def __str__(self) -> str:
        return f"{self.seq} {self.digest[:8]}"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Queries of the audit log, and the only code that adds entries."""

    def lock_checkpoint(self) -> Checkpoint:
        """Lock and return the checkpoint until the current transaction ends.

        Call it before locking any other row except the zone. All transactions lock rows in this
        order, so they cannot deadlock.
        """
        checkpoint, _ = Checkpoint.objects.select_for_update().get_or_create(pk=1)
        return checkpoint

    @transaction.atomic
    def record(self, action: str, subject: str, **values: Any) -> Entry:
        """Append an entry in the transaction of the action: neither is saved without the other.

        `values` can contain here, there, note, and detail (a JSON object without secrets).
        """
        return self.append(self.lock_checkpoint(), action, subject, **values)

    def append(self, checkpoint: Checkpoint, action: str, subject: str, **values: Any) -> Entry:
        """Append an entry after the checkpoint that this transaction has locked; see `record`."""
        by = actor.current()
        texts = {"action": action, "subject": subject, "actor": by.name, **values}
        entry = Entry(
            seq=checkpoint.seq + 1,
            at=timezone.now(),
            address=by.address,
            session=by.session,
            previous=checkpoint.digest,
            **{name: escape_invisible(value) for name, value in texts.items()},
        )
        entry.digest = entry.compute_digest()
        entry.save(force_insert=True)
        Checkpoint.objects.filter(pk=1).update(seq=entry.seq, digest=entry.digest)
        return entry


class Entry(models.Model):
    """One entry of the audit log: who did what to which object, chained to the previous entry.

    `here` and `there` are the states before and after. Field names are part of the hash.
    """

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

    @property
    def action_label(self) -> str:
        """Return the action in words."""
        return get_label(self.action)

    def compute_digest(self) -> str:
        """Return the SHA-256 of this entry, which includes the digest of the previous entry."""
        values = {name: getattr(self, name) for name in HASHED_FIELDS}
        values["at"] = self.at.astimezone(UTC).isoformat()
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


HASHED_FIELDS = (
    *("seq", "actor", "address", "session", "action", "subject"),
    *("here", "there", "note", "detail", "previous"),
)


class StatefulQuerySet(models.QuerySet[M]):
    """The only code that changes a state."""

    machine: ClassVar[StateMachine]

    def open(self) -> Self:
        """Return the rows that are not in a final state."""
        return self.exclude(state__in=self.machine.closed)

    @transaction.atomic
    def transition(self, instance: M, state: str, *, note: str = "", **changes: Any) -> None:
        """Change the state of an instance and other fields, and record an audit entry.

        Raises InvalidTransition if the transition is not allowed or another caller was faster.
        """
        before = instance.state
        self.machine.check(before, state)
        checkpoint = Entry.objects.lock_checkpoint()
        if not self.filter(pk=instance.pk, state=before).update(state=state, **changes):
            raise InvalidTransition("The state has changed in the meantime. Nothing was changed.")
        label = f"{instance._meta.label}:{instance.pk}"
        Entry.objects.append(checkpoint, "move", label, here=before, there=state, note=note)
        instance.state = state
        for name, value in changes.items():
            setattr(instance, name, value)


class StatefulModel(models.Model):
    """A model with a state that only `objects.transition` changes."""

    state = models.CharField(max_length=24)

    class Meta:
        abstract = True


def escape_invisible(value: Any) -> Any:
    """Return a value with all control and format characters as Unicode escapes.

    A name in a certificate can then neither add a line to an export nor hide part of a line.
    """
    if isinstance(value, str):
        # Fast path: a batch of serial numbers is long and contains only printable ASCII.
        if value.isascii() and value.isprintable():
            return value
        return "".join(c if _is_printable(c) else f"\\u{ord(c):04x}" for c in value)
    if isinstance(value, dict):
        return {escape_invisible(key): escape_invisible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [escape_invisible(inner) for inner in value]
    return value


def _is_printable(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def from_timestamp(seconds: float) -> datetime:
    """Return a timestamp of the agent protocol (seconds since 1970) as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
