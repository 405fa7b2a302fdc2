"""The audit log: entries, the checkpoint of their hash chain, and counts of limited entries."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Self

from django.db import connection, models, transaction
from django.utils import timezone

from audit.chain import actor
from audit.chain.action_labels import get_label
from audit.chain.kinds import find_names
from audit.models.objects import EntryObject

GENESIS_DIGEST = "0" * 64
# The log cannot be shortened. So a device or an address adds at most this number of entries of one
# kind in a day, and only this number of addresses is counted separately.
MAX_ENTRIES_A_DAY = 20
MAX_ADDRESSES = 1000
ADDRESS = "address:"
OTHERS = f"{ADDRESS}others"


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

        `values` can contain here, there, note, and detail (a JSON object without secrets). `about`
        are the subjects of further objects that the entry names.
        """
        return self.append(self.lock_checkpoint(), action, subject, **values)

    @transaction.atomic
    def record_limited(self, limit: EntryLimit, action: str, subject: str, **values: Any) -> bool:
        """Record an entry that a device or a stranger caused, unless its limit is reached.

        Returns False if the event was only counted. `audit.chain.omissions` adds the summary.
        """
        return self.append_limited(self.lock_for(limit), limit, action, subject, **values)

    def lock_for(self, limit: EntryLimit | None) -> Checkpoint | None:
        """Lock the checkpoint, but return None if the limit is reached and no entry is needed.

        So a flood of events does not delay the actions of administrators.
        """
        if limit is not None and EntryCount.objects.is_reached(limit):
            return None
        return self.lock_checkpoint()

    def append_limited(
        self,
        checkpoint: Checkpoint | None,
        limit: EntryLimit | None,
        action: str,
        subject: str,
        **values: Any,
    ) -> bool:
        """Count an event, and append an entry within the limit; see `lock_for`."""
        if limit is not None and EntryCount.objects.add(limit) > MAX_ENTRIES_A_DAY:
            return False
        self.append(checkpoint or self.lock_checkpoint(), action, subject, **values)
        return True

    def append(
        self,
        checkpoint: Checkpoint,
        action: str,
        subject: str,
        *,
        about: Iterable[str] = (),
        **values: Any,
    ) -> Entry:
        """Append an entry after the checkpoint that this transaction has locked; see `record`."""
        by = actor.current()
        names = find_names([subject, *about])
        if by.subject:
            names[by.subject] = by.name
        texts = {"action": action, "subject": subject, "actor": by.name, **values}
        entry = Entry(
            seq=checkpoint.seq + 1,
            at=timezone.now(),
            address=by.address,
            session=by.session,
            previous=checkpoint.digest,
            names=escape_invisible(names),
            **{name: escape_invisible(value) for name, value in texts.items()},
        )
        entry.digest = entry.compute_digest()
        entry.save(force_insert=True)
        EntryObject.objects.bulk_create(
            EntryObject(entry=entry, subject=key, name=escape_invisible(name))
            for key, name in names.items()
        )
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
    names = models.JSONField(null=True)
    """The names of the subject and of related objects at that time, by subject.

    None in entries of version 0.1.
    """
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["seq"]
        indexes: ClassVar = [models.Index(fields=["actor", "seq"], name="entry_actor")]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}"

    @property
    def action_label(self) -> str:
        """Return the action in words."""
        return get_label(self.action)

    def compute_digest(self) -> str:
        """Return the SHA-256 of this entry, which includes the digest of the previous entry."""
        values = {name: getattr(self, name) for name in HASHED_FIELDS}
        if self.names is not None:
            values["names"] = self.names
        values["at"] = self.at.astimezone(UTC).isoformat()
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class EntryLimit:
    """What the entries of a day are counted by: the device or address that causes them, and a kind.

    See: D-134
    """

    source: str
    kind: str
    day: date

    @classmethod
    def of_device(cls, device: object, kind: str) -> EntryLimit:
        """Return the limit of today for a kind of event that a device causes."""
        return cls(f"devices.Device:{device}", kind, timezone.now().date())

    @classmethod
    def of_account(cls, user: object, kind: str) -> EntryLimit:
        """Return the limit of today for a kind of event that anyone causes about an account."""
        return cls(f"auth.User:{user}", kind, timezone.now().date())

    @classmethod
    def of_address(cls, network: str, kind: str) -> EntryLimit:
        """Return the limit of today for a kind of event that anyone at an address can cause."""
        return cls(f"{ADDRESS}{network[:64]}", kind, timezone.now().date())


# One statement, because each device that activates an update is counted.
_COUNT = """
INSERT INTO ledger_entrycount (source, kind, day, count) VALUES (%s, %s, %s, 1)
ON CONFLICT (source, kind, day) DO UPDATE SET count = ledger_entrycount.count + 1 RETURNING count
"""


class EntryCountQuerySet(models.QuerySet["EntryCount"]):
    """Queries of the counts, and the only code that counts."""

    def of(self, limit: EntryLimit) -> Self:
        """Return the row of a limit, if there is one."""
        return self.filter(source=limit.source, kind=limit.kind, day=limit.day)

    def is_reached(self, limit: EntryLimit) -> bool:
        """Return True if further events are only counted. Counts of a day never decrease."""
        count = self.of(limit).values_list("count", flat=True).first()
        if count is None and limit.source.startswith(ADDRESS):
            others = self.of(replace(limit, source=OTHERS))
            count = others.values_list("count", flat=True).first()
        return count is not None and count >= MAX_ENTRIES_A_DAY

    def add(self, limit: EntryLimit) -> int:
        """Count one event and return the new count. Concurrent callers get different counts."""
        if limit.source.startswith(ADDRESS) and not self.of(limit).exists():
            limit = self._share(limit)
        day = connection.ops.adapt_datefield_value(limit.day)
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [limit.source, limit.kind, day])
            return int(cursor.fetchone()[0])

    def _share(self, limit: EntryLimit) -> EntryLimit:
        """Return the limit that all further addresses share if there are too many of them."""
        if not limit.source.startswith(ADDRESS):
            return limit
        others = self.filter(source__startswith=ADDRESS, kind=limit.kind, day=limit.day)
        return replace(limit, source=OTHERS) if others.count() >= MAX_ADDRESSES else limit


class EntryCount(models.Model):
    """The number of events of one kind, source, and day (UTC), with and without an entry."""

    source = models.CharField(max_length=80)
    kind = models.CharField(max_length=64)
    day = models.DateField()
    count = models.BigIntegerField(default=0)

    objects = EntryCountQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint("source", "kind", "day", name="entry_count_once")
        ]
        indexes: ClassVar = [models.Index(fields=["day", "kind"], name="entry_count_day")]

    def __str__(self) -> str:
        return f"{self.source} {self.kind} {self.day}: {self.count}"


HASHED_FIELDS = (
    *("seq", "actor", "address", "session", "action", "subject"),
    *("here", "there", "note", "detail", "previous"),
)


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
