"""The head of the audit chain, kept outside the database and signed by the zone key (S-41)."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from devices import keyring
from devices.models import Zone
from faults import Fault, Invalid, Unavailable
from ledger.models import START, Head
from wire import shapes
from wire.envelope import Envelope

AUDIT_HEAD = "application/vnd.zcc.audit-head+json"
FILE = "audit-head.json"
AT_MOST = 16 * 1024


@dataclass(frozen=True)
class KeptHead:
    """The last line of the chain at a time, in seconds since 1970."""

    zone: str
    seq: int
    digest: str
    at: int


class BadHead(Invalid):
    """The file of a kept head is damaged, or not this zone's."""

    action = "Compare with an older copy of the file. If it was changed, treat the ledger so, too."


def path() -> Path:
    """Return where the head is kept, beside the database and not in it."""
    return Path(settings.ZCC_HOME) / FILE


def keep(target: Path, *, now: datetime) -> KeptHead:
    """Sign the head of the chain and write it, whole or not at all.

    No ledger line tells of it: that line would be behind the head that is kept.
    """
    head = Head.objects.first()
    kept = KeptHead(
        zone=str(Zone.objects.the().guid),
        seq=head.seq if head is not None else 0,
        digest=head.digest if head is not None else START,
        at=int(now.timestamp()),
    )
    signed = keyring.here().sign_unrecorded(AUDIT_HEAD, shapes.dump(kept))
    _write(target, shapes.dump(signed))
    return kept


def read(source: Path, zone: Zone) -> KeptHead:
    """Return a kept head after its signature was checked with the zone's public key."""
    try:
        data = source.read_bytes()[:AT_MOST]
    except OSError as error:
        raise Unavailable(f"{source} cannot be read: {error.strerror}.") from error
    try:
        envelope = shapes.load(Envelope, data)
        kept = shapes.load(KeptHead, envelope.open(zone.public_key, AUDIT_HEAD))
    except (Fault, ValueError) as error:
        raise BadHead(f"{source} is not signed by the zone key, or is damaged.") from error
    if kept.zone != str(zone.guid):
        raise BadHead(f"{source} belongs to another zone.")
    return kept


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        file.write(json.dumps(json.loads(data), indent=1).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
