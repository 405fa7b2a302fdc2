"""What a device reports about its host, in the REST API: hooks, trust store, and TLS libraries.

See: D-269, D-271, D-272
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import Field

from audit.models import from_timestamp
from devices.inventory import host_reports, tls_stacks
from devices.models import Device
from wire.host_messages import StoreReport
from wire.update_messages import PASSED, REJECTED

LIBRARY_STATES = {PASSED: "accepted", REJECTED: "rejected"}


class HookOut(Schema):
    """The result of a hook. `detail` is its last line of output, or why it was not run."""

    name: str
    event: str
    state: str = Field(description="succeeded, failed, timed-out, not-run, or interrupted")
    exit_code: int
    detail: str


class HooksOut(Schema):
    """The results of all hooks after the last change of trust, and when they ran."""

    at: datetime
    has_failed: bool
    results: list[HookOut]


class SystemTrustOut(Schema):
    """What the agent did with the trust store of the operating system."""

    state: str
    store: str
    roots: int
    detail: str


class TlsLibraryOut(Schema):
    """Whether a TLS library of the device accepts the new certificate of an update."""

    library: str
    version: str
    state: str = Field(description="accepted, rejected, or unknown")
    detail: str


class TlsLibrariesOut(Schema):
    """The results of the TLS libraries in the last preflight check, and its update."""

    update_id: UUID
    at: datetime | None
    has_rejected: bool
    results: list[TlsLibraryOut]


def get_hooks(device: Device) -> dict[str, Any] | None:
    """Return the results of the hooks of a device, None if it has not reported any."""
    report = host_reports.read_report(device)
    if report is None or report.hooks is None or not report.hooks.results:
        return None
    results = report.hooks.results
    has_failed = any(map(host_reports.has_failed, results))
    return {"at": from_timestamp(report.hooks.at), "has_failed": has_failed, "results": results}


def get_system_trust(device: Device) -> StoreReport | None:
    """Return what the agent did with the trust store of the system, None if nothing."""
    report = host_reports.read_report(device)
    return report.system_trust if report is not None else None


def get_tls_libraries(device: Device) -> dict[str, Any] | None:
    """Return the last results of the TLS libraries of a device, None if there are none."""
    rows = device.assignments.exclude(stack_results=None).order_by("-preflight_at", "-pk")
    last = rows.values("update_id", "preflight_at", "stack_results").first()
    if last is None or not last["stack_results"]:
        return None
    results = last["stack_results"]
    return {
        "update_id": last["update_id"],
        "at": last["preflight_at"],
        "has_rejected": bool(tls_stacks.list_rejections(results)),
        "results": [_describe_library(row) for row in results],
    }


def _describe_library(row: dict[str, Any]) -> dict[str, Any]:
    """Return a result as the API shows it. Programs do not depend on codes of the protocol."""
    return {
        "library": row.get("stack", ""),
        "version": row.get("version", ""),
        "state": LIBRARY_STATES.get(row.get("code", ""), "unknown"),
        "detail": row.get("detail", ""),
    }
