"""Verify the hash chain: detect changed, removed, inserted, and reordered audit entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.models import GENESIS_DIGEST, Checkpoint, Entry

CHUNK_SIZE = 2000


@dataclass(frozen=True)
class Finding:
    """The first entry that fails verification, and the problem."""

    seq: int
    problem: str


@dataclass(frozen=True)
class VerificationResult:
    """The number of valid entries, the last of them, and the first problem; None if valid."""

    entries: int
    seq: int
    digest: str
    finding: Finding | None = None


def verify_chain(seq: int = 0, digest: str = "") -> VerificationResult:
    """Verify the chain from its first entry to its checkpoint and return the result.

    `seq` and `digest` are from a checkpoint that was stored elsewhere. The entry with this number
    must have this digest, which also detects a chain that was recalculated, or truncated together
    with the checkpoint in the database.
    """
    last, previous, count = 0, GENESIS_DIGEST, 0
    try:
        for entry in _list_entries():
            problem = _check_entry(entry, last, previous)
            if not problem and entry.seq == seq and entry.digest != digest:
                problem = "does not match the saved checkpoint"
            if problem:
                finding = Finding(min(entry.seq, last + 1), problem)
                return VerificationResult(count, last, previous, finding)
            last, previous, count = entry.seq, entry.digest, count + 1
    except (ValueError, TypeError, AttributeError):
        return VerificationResult(count, last, previous, Finding(last + 1, "cannot be read"))
    return VerificationResult(count, last, previous, _check_end(last, previous, seq))


def _list_entries() -> Iterator[Entry]:
    found = Entry.objects.order_by("seq").prefetch_related("objects_named")
    return found.iterator(chunk_size=CHUNK_SIZE)


def _check_entry(entry: Entry, last: int, previous: str) -> str:
    if entry.seq > last + 1:
        return "is missing"
    if entry.seq != last + 1:
        return "has an unexpected sequence number"
    if entry.previous != previous:
        return "does not match the hash of the previous entry"
    if entry.digest != entry.compute_digest():
        return "was modified"
    listed = {row.subject: row.name for row in entry.objects_named.all()}
    return "" if listed == (entry.names or {}) else "is not listed by the objects that it names"


def _check_end(last: int, digest: str, saved_seq: int) -> Finding | None:
    checkpoint = Checkpoint.objects.first() or Checkpoint()
    if max(checkpoint.seq, saved_seq) > last:
        return Finding(last + 1, "is missing: the log was truncated here")
    if checkpoint.seq < last:
        return Finding(checkpoint.seq + 1, "is after the end of the chain")
    if checkpoint.digest != digest:
        return Finding(last, "does not match the end of the chain")
    return None
