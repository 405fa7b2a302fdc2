"""The current checkpoint of the audit log, and the comparison with one that a device kept.

Most devices return a checkpoint that this process has seen recently, so a refresh needs no query.

See: D-135
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from audit.models import GENESIS_DIGEST, Checkpoint, Entry
from devices.identity import zone_keys
from devices.models import Zone
from devices.witnesses.acceptance import get_branch
from devices.witnesses.mismatches import record_mismatch
from wire.messages import AuditCheckpoint

PURPOSE = "zcc-audit-checkpoint"
# How long a process uses the checkpoint and the digests that it has read.
CHECKPOINT_SECONDS, DIGEST_SECONDS = 5, 60
MAX_DIGESTS = 4096
# The number of entries that one process looks up in a second.
MAX_LOOKUPS = 10


def read_checkpoint() -> AuditCheckpoint:
    """Return number and digest of the last entry, from the database, with the MAC for devices."""
    branch = get_branch(Zone.objects.get_zone())
    row = Checkpoint.objects.first()
    seq, digest = (row.seq, row.digest) if row is not None else (0, GENESIS_DIGEST)
    return AuditCheckpoint(branch, seq, digest, _build_mac(branch, seq, digest))


def has_entry(seq: int, digest: str) -> bool:
    """Return True if the log has this entry. Number 0 is before the first entry."""
    return seq == 0 or Entry.objects.filter(seq=seq, digest=digest).exists()


def _build_mac(branch: int, seq: int, digest: str) -> str:
    return zone_keys.get_keyring().get_mac(PURPOSE, f"{branch}|{seq}|{digest}")


def is_authentic(checkpoint: AuditCheckpoint) -> bool:
    """Return True if a Primary Server of this zone has created the checkpoint."""
    expected = _build_mac(checkpoint.branch, checkpoint.seq, checkpoint.digest)
    return hmac.compare_digest(expected, checkpoint.mac)


class Comparison:
    """Compares checkpoints of devices with the log, and remembers for a short time what it read."""

    def __init__(self) -> None:
        self._current: AuditCheckpoint | None = None
        self._read_at = self._digests_since = 0.0
        self._second = self._lookups = 0
        # Digests of entries that are in the log. What is not in it is never remembered.
        self._digests: dict[int, str] = {}

    def get_current(self, now: datetime) -> AuditCheckpoint:
        """Return the current checkpoint. It can be a few seconds old."""
        age = now.timestamp() - self._read_at
        if self._current is None or not 0 <= age < CHECKPOINT_SECONDS:
            return self._read(now)
        return self._current

    def _read(self, now: datetime) -> AuditCheckpoint:
        before, current = self._current, read_checkpoint()
        self._current, self._read_at = current, now.timestamp()
        if (
            before is not None
            and before.branch == current.branch
            and before != current
            and not has_entry(before.seq, before.digest)
        ):
            # This process has seen entries that are no longer there.
            self._digests.clear()
            name = zone_keys.get_keyring().get_server().name
            record_mismatch(name, before.branch, before.seq, before.digest, now=now)
        self._remember(current.seq, current.digest, now)
        return current

    def _remember(self, seq: int, digest: str, now: datetime) -> None:
        age = now.timestamp() - self._digests_since
        if len(self._digests) >= MAX_DIGESTS or not 0 <= age < DIGEST_SECONDS:
            self._digests, self._digests_since = {}, now.timestamp()
        self._digests[seq] = digest

    def _is_remembered(self, kept: AuditCheckpoint, now: datetime) -> bool:
        age = now.timestamp() - self._digests_since
        return 0 <= age < DIGEST_SECONDS and self._digests.get(kept.seq) == kept.digest

    def exchange(
        self, witness: str, kept: AuditCheckpoint | None, *, now: datetime
    ) -> AuditCheckpoint | None:
        """Compare the checkpoint that a device kept, and return the one that it keeps instead.

        Returns None if the device must keep its own: it proves that entries are missing, or it was
        not compared because too many different ones came in this second.
        """
        current = self.get_current(now)
        if kept is None or kept == current or not is_authentic(kept):
            return current
        if kept.branch == current.branch and self._is_remembered(kept, now):
            return current
        if kept.branch >= current.branch:
            if not self._may_look_up(now):
                return None
            is_there = has_entry(kept.seq, kept.digest)
            if not is_there or kept.branch != current.branch:
                # An administrator may have accepted a loss since.
                current = self._read(now)
            if is_there and kept.branch == current.branch:
                self._remember(kept.seq, kept.digest, now)
                return current
        if kept.branch < current.branch:
            return current
        record_mismatch(witness, kept.branch, kept.seq, kept.digest, now=now)
        return None

    def _may_look_up(self, now: datetime) -> bool:
        second = int(now.timestamp())
        if second != self._second:
            self._second, self._lookups = second, 0
        self._lookups += 1
        return self._lookups <= MAX_LOOKUPS


@lru_cache(maxsize=1)
def _get_comparison() -> Comparison:
    return Comparison()


def exchange(
    witness: str, kept: AuditCheckpoint | None, *, now: datetime
) -> AuditCheckpoint | None:
    """Compare the checkpoint of a device with the log; see `Comparison.exchange`."""
    return _get_comparison().exchange(witness, kept, now=now)


# For tests.
clear_cache: Callable[[], None] = _get_comparison.cache_clear
