"""Checkpoints that the audit log does not contain: entries were removed or replaced.

See: D-135
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Protocol

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import CheckpointMismatch, Entry
from devices.models import Zone
from devices.witnesses.acceptance import SUBJECT, get_branch

# One is enough for the alarm. The others help to find what is missing.
MAX_ROWS = 100
log = logging.getLogger(__name__)


def record_mismatch(
    witness: str, branch: int, seq: int, digest: str, *, now: datetime
) -> CheckpointMismatch | None:
    """Store a checkpoint that proves a loss, and record an audit entry for the first of a branch.

    Returns None if it is known already.
    """
    rows = CheckpointMismatch.objects.filter(branch=branch)
    if rows.filter(seq=seq, digest=digest).exists() or rows.count() >= MAX_ROWS:
        return None
    with transaction.atomic():
        checkpoint = Entry.objects.lock_checkpoint()
        is_first = not rows.exists()
        row, is_new = CheckpointMismatch.objects.get_or_create(
            branch=branch,
            seq=seq,
            digest=digest,
            defaults={"witness": witness[:200], "last_seq": checkpoint.seq, "found_at": now},
        )
        if not is_new:
            return None
        if is_first:
            Entry.objects.append(
                checkpoint,
                "entries-missing",
                SUBJECT,
                note=describe(row),
                detail={"branch": branch, "seq": seq, "digest": digest, "witness": witness},
            )
    log.error("%s", describe(row))
    return row


class SavedCheckpoint(Protocol):
    """A checkpoint in a file."""

    branch: int
    seq: int
    digest: str


def compare(witness: str, saved: SavedCheckpoint, branch: int) -> CheckpointMismatch | None:
    """Return what is missing according to a saved checkpoint, as a row that is not stored."""
    if saved.branch < branch:
        return None
    found = Entry.objects.filter(seq=saved.seq, digest=saved.digest).exists()
    if saved.branch == branch and (found or saved.seq == 0):
        return None
    last = Entry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    return CheckpointMismatch(
        branch=saved.branch, seq=saved.seq, digest=saved.digest, witness=witness, last_seq=last
    )


def list_open() -> list[CheckpointMismatch]:
    """Return the mismatches that still exist and are not accepted, highest number first.

    One that was caused by a restore ends when the entries are restored, too.
    """
    rows = list(CheckpointMismatch.objects.all()[: 2 * MAX_ROWS])
    if not rows:
        return []
    branch = get_branch(Zone.objects.get_zone())
    found = dict(
        Entry.objects.filter(seq__in=[row.seq for row in rows]).values_list("seq", "digest")
    )
    return [
        row
        for row in rows
        if row.branch > branch or (row.branch == branch and found.get(row.seq) != row.digest)
    ]


def describe(row: CheckpointMismatch) -> str:
    """Return what is missing, and who has the checkpoint that proves it."""
    values = {"first": row.last_seq + 1, "seq": row.seq, "witness": row.witness}
    if row.last_seq + 1 == row.seq:
        return _("Audit entry %(seq)d is missing. %(witness)s has its digest.") % values
    if row.last_seq < row.seq:
        text = _(
            "Audit entries %(first)d to %(seq)d are missing. %(witness)s has the digest of entry "
            "%(seq)d."
        )
        return text % values
    text = _(
        "Audit entry %(seq)d, an entry before it, or the acceptance of an earlier loss was "
        "replaced or removed. %(witness)s has a different digest."
    )
    return text % values
