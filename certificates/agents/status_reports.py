"""Status reports of devices: store what a device reports about itself at a refresh."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, Subquery, Value
from django.db.models.functions import Least

from audit.chain.states import InvalidTransition
from audit.models import Entry, EntryLimit
from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations import rollback
from certificates.operations.activation import record_current_certificate
from certificates.operations.states import READY, AuthorityState
from certificates.trust import unknown_roots
from devices.inventory import host_reports
from devices.models import Device
from systemupdates.content import replication
from systemupdates.models import Assignment
from wire import limits, messages

ROOT_COLUMNS = {"root_sha256", "connection_root_sha256", "trusted_sha256"}
REJECTION_REPORT_INTERVAL = timedelta(days=1)
log = logging.getLogger(__name__)


def update_device_status(device: Device, report: messages.RefreshRequest, *, now: datetime) -> None:
    """Store the values of a status report that differ from the stored ones."""
    _store_changes(device, report)
    for reason in report.rejected_documents:
        _record_rejected_document(device, reason, now)
    if device.is_content_server:
        replication.save_replication_report(device, report.stored_content, report.replicas, now=now)
    if device.is_certified and report.server_certificate_sha256:
        _activate_initial_certificate(device, report.server_certificate_sha256, now)
        with suppress(InvalidTransition):
            rollback.record_previous_certificate(device, report.server_certificate_sha256, now=now)


def _store_changes(device: Device, report: messages.RefreshRequest) -> None:
    changes: dict[str, object] = {}
    reported: dict[str, object] = {
        "version": report.agent,
        "generation": report.generation,
        "root_sha256": report.root_sha256,
        "connection_root_sha256": report.anchored_sha256,
        "trusted_sha256": report.trusted_sha256,
    }
    if report.features:
        reported["features"] = report.features
    if report.remint_repository:
        reported["remint_repository"] = report.remint_repository
    changes.update(
        {name: value for name, value in reported.items() if getattr(device, name) != value}
    )
    if abs(device.clock_skew_seconds - report.skew) > 1:
        changes["clock_skew_seconds"] = report.skew
    if report.rejected_contacts:
        changes["failed_contacts"] = _add_capped("failed_contacts", report.rejected_contacts)
    changes.update(host_reports.get_changes(device, report.host_report))
    if changes.keys() & ROOT_COLUMNS:
        unknown_roots.update_unknown_roots(device, report)
    if changes:
        Device.objects.filter(pk=device.pk).update(**changes)


def store_root_in_use(device: Device, assignment: Assignment) -> None:
    """Store the root of a CA that a device has activated.

    The device reports its root at its next refresh, which can be half a day later.
    """
    new = Authority.objects.filter(
        pk__in=Operation.objects.filter(update=assignment.update_id).values("future_authority"),
        state__in=(AuthorityState.FUTURE, AuthorityState.CURRENT),
    )
    root = Subquery(new.order_by().values("sha256")[:1])
    # One statement, because all devices report within a minute.
    Device.objects.filter(pk=device.pk).filter(Exists(new)).update(root_sha256=root)


def _add_capped(column: str, count: int) -> Least:
    """Return a column plus a count, at most MAX_COUNTER: repeated reports must not overflow it.

    The column is capped before the addition, too, because older versions had no limit.
    """
    most = Value(limits.MAX_COUNTER)
    return Least(Least(F(column), most) + count, most)


def _record_rejected_document(device: Device, reason: str, now: datetime) -> None:
    """Record in the audit log that a device rejected a document not signed by the zone key.

    A device reports a reason again until the document is replaced. It is recorded once a day.
    """
    subject = f"devices.Device:{device.pk}"
    limit = EntryLimit.of_device(device.pk, "distrusted")
    recorded = Entry.objects.filter(
        action="distrusted", subject=subject, note=reason, at__gt=now - REJECTION_REPORT_INTERVAL
    )
    if recorded.exists():
        return
    if Entry.objects.record_limited(limit, "distrusted", subject, note=reason):
        log.warning("%s rejected a signed document: %s", device.name, reason)


def _activate_initial_certificate(device: Device, digest: str, now: datetime) -> None:
    rows = FutureCertificate.objects.open().filter(
        device=device, operation=None, digest=digest, state__in=READY
    )
    for future in rows.select_related("authority"):
        # A concurrent request of the same server may have reported it.
        with suppress(InvalidTransition), transaction.atomic():
            FutureCertificate.objects.transition(future, "active")
            record_current_certificate(device, future.authority, future.chain_pem, now=now)
