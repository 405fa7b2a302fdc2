"""The report of an operation and its devices, signed with the zone key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q

from audit.models import Entry
from certificates.acme import hosts
from certificates.models import Authority, Operation
from certificates.progress.documents import describe_entry, format_utc
from certificates.trust import devices_at_risk
from devices.identity import zone_keys
from devices.models import Zone
from systemupdates.models import Assignment
from wire import metadata
from wire.envelope import Envelope
from wire.records import Record

VERSION = 3


class Report(Record):
    """The signed content. `id` is the ID of the operation. Times are in UTC (RFC 3339)."""

    id: str
    zone: str
    zone_name: str
    made_at: str
    operation: dict[str, Any]
    counts: dict[str, int]
    history: list[dict[str, Any]]
    devices: list[dict[str, Any]]
    hosts: list[dict[str, Any]]
    remarks: list[str]
    version: int = VERSION


def build_report(operation: Operation, *, now: datetime) -> Report:
    """Return the report of the current status of an operation."""
    zone = Zone.objects.get_zone()
    return Report(
        id=str(operation.pk),
        zone=str(zone.guid),
        zone_name=zone.name,
        made_at=format_utc(now),
        operation=_operation(operation),
        counts=_counts(operation, now),
        history=list(_history(operation)),
        devices=list(_devices(operation)),
        hosts=list(_hosts(operation, now)),
        remarks=[
            ("Security policies are not affected. This product does not manage security policies."),
            "Device times show when the console received the report.",
            "Hosts have no agent. Their state is that of the certificate that their client has.",
        ],
    )


def sign_report(report: Report) -> Envelope:
    """Sign a report with the zone key. The signature is recorded in the audit log."""
    return zone_keys.get_keyring().sign(metadata.REPORT, report)


def _operation(operation: Operation) -> dict[str, Any]:
    by = operation.requested_by
    return {
        "kind": operation.kind,
        "name": operation.name,
        "state": operation.state,
        "requested_by": by.get_username() if by else "system",
        "started_at": format_utc(operation.created_at),
        "activates_at": format_utc(operation.activates_at),
        "activated_at": format_utc(operation.activated_at),
        "ended_at": format_utc(operation.ended_at),
        "immediate": operation.immediate,
        "forced": operation.forced,
        "postponed": operation.postponed,
        "reason": operation.reason,
        "ca_before": _authority(operation.authority),
        "ca_after": _authority(operation.future_authority),
    }


def _authority(authority: Authority | None) -> dict[str, Any] | None:
    if authority is None:
        return None
    return {
        "kind": authority.kind,
        "subject": authority.subject,
        "sha256": authority.sha256,
        "not_after": format_utc(authority.not_after),
        "state": authority.state,
    }


def _counts(operation: Operation, now: datetime) -> dict[str, int]:
    found: dict[str, int] = {}
    if operation.activated_at is not None:
        found |= devices_at_risk.count_by_status(devices_at_risk.get_devices_by_contact(operation))
    counted = hosts.count(operation, now)
    return {
        **found,
        **{f"hosts_{k}": getattr(counted, k) for k in ("total", "ready", "at_risk")},
        **{f"trust_{k}": n for k, n in vars(devices_at_risk.count_trust(operation)).items()},
    }


def _history(operation: Operation) -> Iterator[dict[str, Any]]:
    """Return the audit log entries of the operation, its update, and its new CA."""
    subjects = Q(subject=f"certificates.Operation:{operation.pk}")
    subjects |= Q(subject=f"systemupdates.SystemUpdate:{operation.update_id}")
    if operation.changes_ca and operation.future_authority_id is not None:
        subjects |= Q(subject=f"certificates.Authority:{operation.future_authority_id}")
    for entry in Entry.objects.filter(subjects).order_by("seq"):
        yield describe_entry(entry)


def _devices(operation: Operation) -> Iterator[dict[str, Any]]:
    rows = Assignment.objects.filter(update=operation.update_id).select_related("device")
    for row in rows.order_by("device__name", "pk").iterator(chunk_size=500):
        yield {
            "id": str(row.device_id),
            "name": row.device.name,
            "role": row.device.role,
            "state": row.state,
            "reason": row.reason,
            "applied_at": format_utc(row.applied_at),
            "preflight_at": format_utc(row.preflight_at),
            "preflight_results": row.preflight_results or [],
            "stack_results": row.stack_results or [],
            "activated_at": format_utc(row.activated_at),
            "first_contact_at": format_utc(row.confirmed_at),
            "last_contact_at": format_utc(row.device.last_contact),
        }


def _hosts(operation: Operation, now: datetime) -> Iterator[dict[str, Any]]:
    """Return the hosts without an agent, and whether they have a certificate of the new CA."""
    for row in hosts.list_in_use(operation, now).iterator(chunk_size=500):
        yield {
            "name": row.subject,
            "names": row.names,
            "account_key": row.account.account_key.label,
            "state": "ready" if hosts.is_ready(operation, row) else "at-risk",
            "sha256": row.digest,
            "not_after": format_utc(row.not_after),
            "downloaded_at": format_utc(row.fetched_at),
        }
