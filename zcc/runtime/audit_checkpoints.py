"""Checkpoints of the audit log, signed with the zone key and saved outside the database.

The worker of each Primary Server keeps the newest one in the data directory of its server (D-135).
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from devices.identity import zone_keys
from devices.models import Zone
from devices.witnesses import checkpoints, mismatches
from faults import Conflict, Fault, Invalid, Unavailable
from wire import json_codec
from wire.envelope import Envelope, PublicKeys
from wire.messages import AuditCheckpoint
from wire.records import Record, replace

PAYLOAD_TYPE = "application/vnd.zcc.audit-head+json"
FILE_NAME = "audit-head.json"
MAX_SIZE = 16 * 1024
# A checkpoint is sent to syslog after this number of entries or this time.
MAX_NEW_ENTRIES, MAX_AGE_SECONDS = 100, 900
log = logging.getLogger(__name__)


class SignedCheckpoint(Record):
    """Number and digest of the last entry. Times are in seconds since 1970.

    `branch` is the number of accepted losses. `sent_seq` and `sent_at` are about the last one that
    was sent to syslog.
    """

    zone: str
    seq: int
    digest: str
    at: int
    branch: int = 0
    sent_seq: int = 0
    sent_at: int = 0


class CheckpointMismatch(Conflict):
    """The audit log was truncated or replaced."""

    action = (
        "Keep this file as evidence, and run manage.py verify_audit. It says what is missing, and "
        "what to do after a restore."
    )


class InvalidCheckpoint(Invalid):
    """The checkpoint file is damaged or belongs to another zone."""

    action = (
        "Compare the file with an older copy. If the file was modified, "
        "treat the audit log as compromised."
    )


def get_path() -> Path:
    """Return the path of the checkpoint file of this server."""
    return Path(settings.SERVER_HOME) / FILE_NAME


def find_file() -> Path | None:
    """Return the checkpoint file of this server, or the one of an earlier version, or None."""
    for path in (get_path(), Path(settings.ZCC_HOME) / FILE_NAME):
        if path.exists():
            return path
    return None


def save_checkpoint_if_due(now: datetime) -> SignedCheckpoint | None:
    """Save and return a checkpoint if there are new entries, otherwise return None.

    Raises CheckpointMismatch if the audit log does not match the previous checkpoint.
    """
    current = checkpoints.read_checkpoint()
    if current.seq == 0 and current.branch == 0 and find_file() is None:
        return None
    previous = _read_previous(find_file(), current.branch, now)
    if previous and (previous.branch, previous.seq) == (current.branch, current.seq):
        return None
    return _save(get_path(), previous, current, now)


def save_checkpoint(target: Path, *, now: datetime) -> SignedCheckpoint:
    """Sign a checkpoint, write it to a file, and send it to syslog.

    The audit log has no entry about this, because it would be newer than the checkpoint. Raises
    CheckpointMismatch if the audit log does not match the previous checkpoint, which is then
    kept as evidence.
    """
    current = checkpoints.read_checkpoint()
    _read_previous(target if target.exists() else None, current.branch, now)
    return _save(target, None, current, now)


def _read_previous(source: Path | None, branch: int, now: datetime) -> SignedCheckpoint | None:
    """Return the checkpoint of a file after comparing it with the log, None if there is none.

    One of an earlier branch is renamed, so that it is still there as evidence.
    """
    if source is None:
        return None
    previous = read_checkpoint(source, Zone.objects.get_zone())
    if previous.branch < branch:
        source.replace(source.with_name(f"{source.stem}-{previous.branch}{source.suffix}"))
        return None
    if previous.branch > branch or not checkpoints.has_entry(previous.seq, previous.digest):
        mismatches.record_mismatch(
            zone_keys.get_keyring().get_server().name,
            previous.branch,
            previous.seq,
            previous.digest,
            now=now,
        )
        raise CheckpointMismatch(
            f"Entry {previous.seq} of the audit log does not match the saved checkpoint."
        )
    return previous


def _save(
    target: Path, previous: SignedCheckpoint | None, current: AuditCheckpoint, now: datetime
) -> SignedCheckpoint:
    checkpoint = SignedCheckpoint(
        zone=str(Zone.objects.get_zone().guid),
        seq=current.seq,
        digest=current.digest,
        at=int(now.timestamp()),
        branch=current.branch,
        sent_seq=previous.sent_seq if previous is not None else 0,
        sent_at=previous.sent_at if previous is not None else 0,
    )
    is_due = _is_due(checkpoint)
    if is_due:
        checkpoint = replace(checkpoint, sent_seq=checkpoint.seq, sent_at=checkpoint.at)
    signed = zone_keys.get_keyring().sign_without_entry(PAYLOAD_TYPE, json_codec.dump(checkpoint))
    _write(target, json_codec.dump(signed))
    if is_due:
        text = json_codec.dump(signed).decode()
        _send_to_syslog(f"zcc audit checkpoint {checkpoint.seq} {checkpoint.digest} {text}")
    return checkpoint


def _is_due(checkpoint: SignedCheckpoint) -> bool:
    new_entries, age = checkpoint.seq - checkpoint.sent_seq, checkpoint.at - checkpoint.sent_at
    return new_entries >= MAX_NEW_ENTRIES or not 0 <= age < MAX_AGE_SECONDS


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
        keys = PublicKeys(zone_keys.get_public_zone_key(zone))
        checkpoint = json_codec.load(SignedCheckpoint, envelope.verify(keys, PAYLOAD_TYPE))
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
