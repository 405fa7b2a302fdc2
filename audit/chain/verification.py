"""Read the whole chain again: what was changed, removed, inserted or moved shows (S-41)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.models import START, Entry, Head

CHUNK = 2000


@dataclass(frozen=True)
class Finding:
    """The first line that is not as it was written, and what is wrong with it."""

    seq: int
    what: str


@dataclass(frozen=True)
class Verified:
    """What a reading of the chain came to; `finding` is None for a whole one."""

    entries: int
    seq: int
    digest: str
    finding: Finding | None = None


def verify(seq: int = 0, digest: str = "") -> Verified:
    """Read the chain from its start to its head.

    `seq` and `digest` are of a head that was kept elsewhere: the line of that number must still
    be the same one, so that a chain reckoned anew, or cut off together with its head, shows too.
    """
    last, previous, count = 0, START, 0
    try:
        for entry in _entries():
            what = _fault(entry, last, previous)
            if not what and entry.seq == seq and entry.digest != digest:
                what = "is another one than when the head was kept"
            if what:
                number = min(entry.seq, last + 1)
                return Verified(count, last, previous, Finding(number, what))
            last, previous, count = entry.seq, entry.digest, count + 1
    except (ValueError, TypeError, AttributeError):
        return Verified(count, last, previous, Finding(last + 1, "cannot be read"))
    return Verified(count, last, previous, _about_the_end(last, previous, seq))


def _entries() -> Iterator[Entry]:
    return Entry.objects.order_by("seq").iterator(chunk_size=CHUNK)


def _fault(entry: Entry, last: int, previous: str) -> str:
    if entry.seq > last + 1:
        return "is missing"
    if entry.seq != last + 1:
        return "has a number that no line has"
    if entry.previous != previous:
        return "does not follow the line before it"
    return "" if entry.digest == entry.reckon() else "was changed"


def _about_the_end(last: int, digest: str, kept: int) -> Finding | None:
    head = Head.objects.first()
    known, its_digest = (head.seq, head.digest) if head is not None else (0, START)
    if max(known, kept) > last:
        return Finding(last + 1, "is missing: the chain was cut off here")
    if known < last:
        return Finding(known + 1, "stands behind the head of the chain")
    return None if its_digest == digest else Finding(last, "is not what the head of the chain says")
