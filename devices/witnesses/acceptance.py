"""Accept that entries of the audit log are missing, for example after a restore.

Each acceptance starts a new branch of the log. Checkpoints of earlier branches are no longer
compared. An acceptance is signed with the zone key: who can only write to the database cannot add
one, and checkpoints of the branch prove that one was removed.

See: D-135
"""

from __future__ import annotations

import logging
from functools import lru_cache

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import GENESIS_DIGEST, CheckpointMismatch, Entry, LossAcceptance
from devices.identity import zone_keys
from devices.models import Zone
from faults import Conflict, Fault
from wire import json_codec
from wire.envelope import Envelope, PublicKeys
from wire.records import Record

PAYLOAD_TYPE = "application/vnd.zcc.audit-acceptance+json"
SUBJECT = "ledger.Checkpoint:1"
MAX_READ = 20
log = logging.getLogger(__name__)


class Acceptance(Record):
    """The signed document: the last entry when the loss was accepted, and the reason."""

    zone: str
    branch: int
    seq: int
    digest: str
    reason: str


def get_branch(zone: Zone) -> int:
    """Return the number of the current branch, 0 before the first acceptance."""
    public_key = zone_keys.get_public_zone_key(zone)
    for row in LossAcceptance.objects.all()[:MAX_READ]:
        if _read_branch(row.envelope, str(zone.guid), public_key) == row.branch:
            return row.branch
        log.error("Acceptance %s of lost audit entries is not signed with the zone key", row.branch)
    return 0


@lru_cache(maxsize=64)
def _read_branch(envelope: str, zone: str, public_key: str) -> int | None:
    """Return the branch of a signed acceptance, or None if the signature is not valid."""
    try:
        signed = json_codec.load(Envelope, envelope.encode())
        document = json_codec.load(Acceptance, signed.verify(PublicKeys(public_key), PAYLOAD_TYPE))
    except (Fault, ValueError):
        return None
    return document.branch if document.zone == zone else None


@transaction.atomic
def accept_loss(reason: str, *, missing: list[str], file_branch: int = 0) -> LossAcceptance:
    """Accept all missing entries, and record the reason and what is missing.

    `file_branch` is the branch of the checkpoint file of this server.
    """
    if not reason.strip():
        raise Conflict(_("A reason is required. Nothing was accepted."))
    zone = Zone.objects.get_zone()
    checkpoint = Entry.objects.lock_checkpoint()
    branch = get_branch(zone)
    # Rows without a valid signature can have the next numbers.
    known = [
        *CheckpointMismatch.objects.values_list("branch", flat=True)[:1],
        *LossAcceptance.objects.values_list("branch", flat=True)[:1],
    ]
    document = Acceptance(
        zone=str(zone.guid),
        branch=max([branch, file_branch, *known]) + 1,
        seq=checkpoint.seq,
        digest=checkpoint.digest or GENESIS_DIGEST,
        reason=reason,
    )
    signed = zone_keys.get_keyring().sign_without_entry(PAYLOAD_TYPE, json_codec.dump(document))
    row = LossAcceptance.objects.create(
        branch=document.branch, envelope=json_codec.dump(signed).decode()
    )
    Entry.objects.append(
        checkpoint,
        "accept-loss",
        SUBJECT,
        note=reason,
        detail={"branch": document.branch, "missing": missing[:MAX_READ]},
    )
    return row
