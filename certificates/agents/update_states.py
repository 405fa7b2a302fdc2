"""States of updates that hosts report at each refresh: what is later than the database is stored.

A database that was restored from a backup, or a replica that took over, misses reports that the
console has already confirmed. Hosts therefore report where they stand each time, and the console
moves forward. It never adopts a revision of a host, and never follows a cancellation that it does
not know: it signs the update again, with a revision that is later than both.

See: D-165
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.chain.states import InvalidTransition
from audit.models import Entry
from audit.rows import alarms
from certificates.models import Operation
from certificates.operations.publication import get_next_version, publish_new_revision
from certificates.operations.states import OperationState
from devices.identity import zone_keys
from devices.models import Device, Zone
from systemupdates.assignments import reports
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import AssignmentState
from wire import json_codec, messages, metadata
from wire.envelope import Envelope
from wire.update_messages import UpdateStatus

A = AssignmentState
OPEN = (messages.DOWNLOADING, messages.APPLYING, messages.APPLIED, messages.ACTIVATING)
BEFORE_SWITCH = OPEN[:3]
# States in which no activation order has been signed, so the update can be signed again.
BEFORE_ORDER = (OperationState.REPLICATING, OperationState.ASSIGNED, OperationState.BLOCKED)
# Because a host can report any revision, an update is signed again at most once in this time.
SIGNING_INTERVAL = timedelta(minutes=1)
# Cancellations of unknown updates that a process signs in a minute: for one device, and for all.
SIGNATURES_PER_DEVICE, SIGNATURES_PER_MINUTE = 2, 10
log = logging.getLogger(__name__)


def save_reported_updates(
    device: Device, reported: list[UpdateStatus], *, now: datetime
) -> list[Envelope]:
    """Store what is later than the database.

    Returns signed cancellations of open updates that the database does not contain. A managed
    device without pending work and without an open update costs no query.
    """
    is_busy = device.has_pending_work or device.role != messages.MANAGED
    if not (is_busy or any(status.state in OPEN for status in reported)):
        return []
    by_update = dict(_parse(reported))
    rows = Assignment.objects.filter(device=device, update__in=by_update).select_related("update")
    found = {row.update_id: row for row in rows}
    for key, row in found.items():
        # A concurrent request of the same device may have reported it.
        with suppress(InvalidTransition):
            _compare(device, row, by_update[key], now)
    missing = [key for key, status in by_update.items() if status.state in BEFORE_SWITCH]
    missing = [key for key in missing if key not in found]
    return _cancel_unknown(device, missing, now) if missing else []


def _parse(reported: list[UpdateStatus]) -> Iterator[tuple[UUID, UpdateStatus]]:
    for status in reported:
        with suppress(ValueError):
            yield UUID(status.id), status


def _compare(device: Device, row: Assignment, status: UpdateStatus, now: datetime) -> None:
    if status.state == messages.CANCELED or row.state == A.CANCELED:
        _compare_canceled(row, status, now)
        return
    if row.state in (A.ACTIVATED, A.IGNORED):
        return
    if status.revision > row.update.revision:
        _sign_again(row.update, status.revision, now)
    if status.state == row.state and status.attempt <= row.attempt:
        return
    report = messages.StatusReport(
        state=status.state,
        step=row.step,
        attempt=status.attempt,
        at=now.timestamp(),
        revision=status.revision,
    )
    reports.apply_status_report(row, report, now=now)


def _compare_canceled(row: Assignment, status: UpdateStatus, now: datetime) -> None:
    if row.state != A.CANCELED:
        if status.revision >= row.update.revision:
            _sign_again(row.update, status.revision, now)
        return
    is_acknowledged = status.state == messages.CANCELED
    if is_acknowledged != row.cancellation_acknowledged:
        Assignment.objects.filter(pk=row.pk).update(cancellation_acknowledged=is_acknowledged)
        if not is_acknowledged:
            Device.objects.filter(pk=row.device_id).update(has_pending_work=True)


def _sign_again(update: SystemUpdate, reported: int, now: datetime) -> None:
    """Sign an update with a later revision if a host has a newer or a canceled one."""
    if reported > get_next_version(0, now):
        return
    if update.revision > get_next_version(0, now - SIGNING_INTERVAL):
        return
    operations = Operation.objects.filter(update=update, state__in=BEFORE_ORDER)
    operation = operations.select_related("authority", "future_authority").first()
    rows = [operation, operation.authority, operation.future_authority] if operation else []
    if not rows or not all(alarms.is_authentic(row) for row in rows if row is not None):
        return
    with transaction.atomic():
        Zone.objects.lock()
        operation = operations.first()
        if operation is None:
            return
        Entry.objects.record(
            "sign-again", f"systemupdates.SystemUpdate:{update.pk}", note=update.name
        )
        publish_new_revision(operation, now=now)
    log.warning("Devices have a later revision of %s. It was signed again.", update.name)


def _cancel_unknown(device: Device, keys: list[UUID], now: datetime) -> list[Envelope]:
    """Cancel updates that were started after the backup from which the database was restored."""
    known = SystemUpdate.objects.filter(pk__in=keys).values_list("pk", flat=True)
    unknown = set(keys).difference(known)
    # A document for all devices of a minute, later than all that they can have.
    revision = 60 * (get_next_version(0, now) // 60 + 1)
    for key in unknown:
        log.warning("%s has update %s, which is not in the database.", device.name, key)
    return _cancellations.get(device.pk, [str(key) for key in sorted(unknown)], revision)


class Cancellations:
    """Signed cancellations of unknown updates, which this process keeps for a minute.

    A signature with both zone keys takes about 0.4 seconds, in which the process responds to no
    other request. A device can report any number of IDs, so it gets few signatures in a minute.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self, revision: int = 0) -> None:
        """Delete all cancellations, and begin with those of another revision."""
        self._revision = revision
        self._signed: dict[str, Envelope] = {}
        self._signed_for: Counter[UUID] = Counter()

    def get(self, device: UUID, updates: list[str], revision: int) -> list[Envelope]:
        """Return the cancellations of these updates; those above the limit at a later refresh."""
        if revision != self._revision:
            self.clear(revision)
        for update in updates:
            if update not in self._signed and self._may_sign_for(device):
                self._signed_for[device] += 1
                self._signed[update] = _sign_cancellation(update, revision)
        return [self._signed[update] for update in updates if update in self._signed]

    def _may_sign_for(self, device: UUID) -> bool:
        is_below = self._signed_for[device] < SIGNATURES_PER_DEVICE
        return is_below and self._signed_for.total() < SIGNATURES_PER_MINUTE


_cancellations = Cancellations()


def _sign_cancellation(update: str, revision: int) -> Envelope:
    notice = metadata.Cancellation(
        id=update, zone=str(Zone.objects.get_zone().guid), revision=revision
    )
    # Not recorded: a device that reports other IDs each time must not fill the audit log.
    return zone_keys.get_keyring().sign_without_entry(
        metadata.CANCELLATION, json_codec.dump(notice)
    )


def clear_cache() -> None:
    """Delete the signed cancellations (for tests, and after a restore)."""
    _cancellations.clear()
