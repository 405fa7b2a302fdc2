"""Checkpoints of the audit log, signed with the zone key and saved outside the database."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from audit.models import GENESIS_DIGEST, Checkpoint, Entry
from devices.identity import zone_keys
from devices.models import Zone
from faults import Conflict, Fault, Invalid, Unavailable
from wire import json_codec
from wire.envelope import Envelope
from wire.records import Record

PAYLOAD_TYPE = "application/vnd.zcc.audit-head+json"
FILE_NAME = "audit-head.json"
MAX_SIZE = 16 * 1024
# A new checkpoint is saved after this number of entries or this time.
MAX_NEW_ENTRIES, MAX_AGE_SECONDS = 100, 900
log = logging.getLogger(__name__)


class SignedCheckpoint(Record):
    """Number and digest of the last entry. `at` is in seconds since 1970."""

    zone: str
    seq: int
    digest: str
    at: int


class CheckpointMismatch(Conflict):
    """The audit log was truncated or replaced."""

    action = (
        "Keep this file as evidence, and run manage.py verify_audit to find the missing entries."
    )


class InvalidCheckpoint(Invalid):
    """The checkpoint file is damaged or belongs to another zone."""

    action = (
        "Compare the file with an older copy. If the file was modified, "
        "treat the audit log as compromised."
    )


def get_path() -> Path:
    """Return the path of the checkpoint file."""
    return Path(settings.ZCC_HOME) / FILE_NAME


def save_checkpoint_if_due(now: datetime) -> SignedCheckpoint | None:
    """Save and return a new checkpoint, or return None if the last one is recent enough."""
    target, head = get_path(), Checkpoint.objects.first()
    if head is None or head.seq == 0:
        return None
    previous = read_checkpoint(target, Zone.objects.get_zone()) if target.exists() else None
    if previous is not None and not _is_due(previous, head.seq, now):
        return None
    return save_checkpoint(target, now=now)


def _is_due(previous: SignedCheckpoint, seq: int, now: datetime) -> bool:
    new_entries, age = seq - previous.seq, now.timestamp() - previous.at
    return new_entries > 0 and (new_entries >= MAX_NEW_ENTRIES or age >= MAX_AGE_SECONDS)


def save_checkpoint(target: Path, *, now: datetime) -> SignedCheckpoint:
    """Sign a checkpoint, write it to a file, and send it to syslog.

    The audit log has no entry about this, because it would be newer than the checkpoint. Raises
    CheckpointMismatch if the audit log does not match the previous checkpoint, which is then
    kept as evidence.
    """
    _check_previous_checkpoint(target)
    head = Checkpoint.objects.first()
    checkpoint = SignedCheckpoint(
        zone=str(Zone.objects.get_zone().guid),
        seq=head.seq if head is not None else 0,
        digest=head.digest if head is not None else GENESIS_DIGEST,
        at=int(now.timestamp()),
    )
    signed = zone_keys.get_keyring().sign_without_entry(PAYLOAD_TYPE, json_codec.dump(checkpoint))
    _write(target, json_codec.dump(signed))
    text = json_codec.dump(signed).decode()
    _send_to_syslog(f"zcc audit checkpoint {checkpoint.seq} {checkpoint.digest} {text}")
    return checkpoint


def _check_previous_checkpoint(target: Path) -> None:
    if not target.exists():
        return
    previous = read_checkpoint(target, Zone.objects.get_zone())
    if previous.seq and not Entry.objects.filter(seq=previous.seq, digest=previous.digest).exists():
        raise CheckpointMismatch(
            f"Entry {previous.seq} of the audit log does not match the saved checkpoint."
        )


def _send_to_syslog(line: str) -> None:
    """Send a line to syslog, if it is configured. Failures are only logged."""
    if not settings.SYSLOG:
        return
    record = logging.LogRecord(
        "zcc.runtime.audit_checkpoints", logging.WARNING, "", 0, line, None, None
    )
    try:
        _get_syslog_handler(settings.SYSLOG).emit(record)
    except OSError:
        log.exception("syslog server %s is not responding", settings.SYSLOG)


@lru_cache(maxsize=2)
def _get_syslog_handler(address: str) -> logging.Handler:
    host, sign, port = address.rpartition(":")
    target: str | tuple[str, int] = (host, int(port)) if sign and port.isdecimal() else address
    facility = logging.handlers.SysLogHandler.LOG_AUTHPRIV
    return logging.handlers.SysLogHandler(target, facility)


def read_checkpoint(source: Path, zone: Zone) -> SignedCheckpoint:
    """Return the checkpoint in a file after verifying its signature with the zone key."""
    try:
        data = source.read_bytes()[:MAX_SIZE]
    except OSError as error:
        raise Unavailable(f"Cannot read {source}: {error.strerror}.") from error
    try:
        envelope = json_codec.load(Envelope, data)
        checkpoint = json_codec.load(
            SignedCheckpoint, envelope.verify(zone.public_key, PAYLOAD_TYPE)
        )
    except (Fault, ValueError) as error:
        raise InvalidCheckpoint(f"{source} is damaged or not signed with the zone key.") from error
    if checkpoint.zone != str(zone.guid):
        raise InvalidCheckpoint(f"{source} belongs to a different zone.")
    return checkpoint


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        file.write(json.dumps(json.loads(data), indent=1).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
