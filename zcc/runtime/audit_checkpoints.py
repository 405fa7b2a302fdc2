"""The head of the audit chain, kept outside the database and signed by the zone key (S-41)."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from audit.models import START, Entry, Head
from devices.identity import zone_keys
from devices.models import Zone
from faults import Conflict, Fault, Invalid, Unavailable
from wire import json_codec
from wire.envelope import Envelope
from wire.values import Value

AUDIT_HEAD = "application/vnd.zcc.audit-head+json"
FILE = "audit-head.json"
AT_MOST = 16 * 1024
# After so many lines, or so many seconds, the head is kept anew.
EVERY, AT_LEAST = 100, 900
log = logging.getLogger(__name__)


class KeptHead(Value):
    """The last line of the chain at a time, in seconds since 1970."""

    zone: str
    seq: int
    digest: str
    at: int


class OtherLedger(Conflict):
    """The ledger was cut off, or another one was put in its place."""

    action = "Run manage.py verify_audit, and keep the file: it shows what is missing."


class BadHead(Invalid):
    """The file of a kept head is damaged, or not this zone's."""

    action = "Compare with an older copy of the file. If it was changed, treat the ledger so, too."


def path() -> Path:
    """Return where the head is kept, beside the database and not in it."""
    return Path(settings.ZCC_HOME) / FILE


def keep_when_due(now: datetime) -> KeptHead | None:
    """Keep the head anew after so many lines, or so long; None while it is fresh enough."""
    target, head = path(), Head.objects.first()
    if head is None or head.seq == 0:
        return None
    known = read(target, Zone.objects.the()) if target.exists() else None
    if known is not None and known.seq == head.seq:
        return None
    if known is not None and head.seq - known.seq < EVERY and now.timestamp() - known.at < AT_LEAST:
        return None
    return keep(target, now=now)


def keep(target: Path, *, now: datetime) -> KeptHead:
    """Sign the head of the chain and write it, whole or not at all; tell it to syslog, too.

    No ledger line tells of it: that line would be behind the head that is kept. A ledger that is
    not the one whose head was kept before is not signed: the older file is the evidence.
    """
    _refuse_another_ledger(target)
    head = Head.objects.first()
    kept = KeptHead(
        zone=str(Zone.objects.the().guid),
        seq=head.seq if head is not None else 0,
        digest=head.digest if head is not None else START,
        at=int(now.timestamp()),
    )
    signed = zone_keys.here().sign_unrecorded(AUDIT_HEAD, json_codec.dump(kept))
    _write(target, json_codec.dump(signed))
    _tell_syslog(f"zcc audit head {kept.seq} {kept.digest} {json_codec.dump(signed).decode()}")
    return kept


def _refuse_another_ledger(target: Path) -> None:
    if not target.exists():
        return
    known = read(target, Zone.objects.the())
    if known.seq and not Entry.objects.filter(seq=known.seq, digest=known.digest).exists():
        raise OtherLedger(f"Line {known.seq} of the ledger is not the one whose head was kept.")


def _tell_syslog(line: str) -> None:
    """Send a line to syslog, where the installation names one; a log that is away costs nothing."""
    if not settings.SYSLOG:
        return
    record = logging.LogRecord(
        "zcc.runtime.audit_checkpoints", logging.WARNING, "", 0, line, None, None
    )
    try:
        _syslog(settings.SYSLOG).emit(record)
    except OSError:
        log.exception("syslog at %s does not answer", settings.SYSLOG)


@lru_cache(maxsize=2)
def _syslog(address: str) -> logging.Handler:
    host, sign, port = address.rpartition(":")
    place: str | tuple[str, int] = (host, int(port)) if sign and port.isdecimal() else address
    facility = logging.handlers.SysLogHandler.LOG_AUTHPRIV
    return logging.handlers.SysLogHandler(place, facility)


def read(source: Path, zone: Zone) -> KeptHead:
    """Return a kept head after its signature was checked with the zone's public key."""
    try:
        data = source.read_bytes()[:AT_MOST]
    except OSError as error:
        raise Unavailable(f"{source} cannot be read: {error.strerror}.") from error
    try:
        envelope = json_codec.load(Envelope, data)
        kept = json_codec.load(KeptHead, envelope.open(zone.public_key, AUDIT_HEAD))
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
