"""What the agent of a device did on its host: results of hooks, and of the system's trust store.

A failed hook is shown on the page of the device and recorded in the audit log. It stops nothing,
because the trust of the device has already changed.

See: D-269, D-270, D-272
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.models import Entry, EntryLimit, from_timestamp
from console.requests.stored_texts import translate_stored
from devices.models import Device
from wire import host_messages, json_codec, records
from wire.host_messages import HookResult, HostReport

EVENTS: dict[str, str | Promise] = {
    host_messages.TRUST_CHANGED: _("Trusted roots changed"),
    host_messages.ACTIVATED: _("Certificates activated"),
    host_messages.RETIRED: _("Root retired"),
}
STATES: dict[str, str | Promise] = {
    host_messages.SUCCEEDED: _("Succeeded"),
    host_messages.FAILED: _("Failed"),
    host_messages.TIMED_OUT: _("Time limit exceeded"),
    host_messages.NOT_RUN: _("Not run"),
    host_messages.INTERRUPTED: _("Interrupted"),
}
FAILED_ACTION = "hook-failed"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HookRow:
    """The result of a hook as the page of its device shows it."""

    name: str
    event: str | Promise
    label: str | Promise
    tone: str
    exit_code: int
    detail: str


@dataclass(frozen=True)
class HookRun:
    """The results of all hooks after the last change, and when they ran."""

    at: datetime | None
    rows: list[HookRow]


def get_changes(device: Device, report: HostReport | None) -> dict[str, Any]:
    """Return the changed columns of a device. Failures that were not reported yet are recorded."""
    if report is None:
        return {}
    hooks = report.hooks
    has_results = hooks is not None and bool(hooks.results)
    plain = records.to_plain(report) if has_results or report.system_trust else None
    if plain == device.host_report:
        return {}
    known = read_report(device)
    if hooks is not None and (known is None or known.hooks != hooks):
        for result in hooks.results:
            if has_failed(result):
                _record_failure(device, result)
    return {"host_report": plain}


def has_failed(result: HookResult) -> bool:
    """Return True if a hook did not succeed."""
    return result.state != host_messages.SUCCEEDED


def describe_system_trust(device: Device) -> str:
    """Return what the agent did with the trust store of the system, "" if it did nothing."""
    report = read_report(device)
    found = report.system_trust if report is not None else None
    if found is None:
        return ""
    texts = {
        host_messages.STORE_INSTALLED: _("Roots of the zone installed: %(roots)s (%(store)s)"),
        host_messages.STORE_REMOVED: _("Roots of the zone removed"),
        host_messages.STORE_FAILED: _("Failed: %(detail)s"),
        host_messages.STORE_NOT_ALLOWED: _("Not allowed on this device"),
        host_messages.STORE_MISSING: _("No supported trust store"),
    }
    text = texts.get(found.state)
    detail = translate_stored(found.detail)
    values = {"roots": found.roots, "store": found.store, "detail": detail}
    return str(text) % values if text is not None else found.state


def get_hook_run(device: Device) -> HookRun | None:
    """Return the results of the hooks of a device, None if it has not reported any."""
    report = read_report(device)
    if report is None or report.hooks is None or not report.hooks.results:
        return None
    rows = [_build_row(result) for result in report.hooks.results]
    return HookRun(from_timestamp(report.hooks.at), rows)


def _build_row(result: HookResult) -> HookRow:
    return HookRow(
        name=result.name,
        event=EVENTS.get(result.event, result.event),
        label=STATES.get(result.state, result.state),
        tone="bad" if has_failed(result) else "ok",
        exit_code=result.exit_code,
        detail=result.detail,
    )


def read_report(device: Device) -> HostReport | None:
    """Return the stored report, None if there is none."""
    try:
        return json_codec.build(HostReport, device.host_report, "host_report")
    except json_codec.Malformed:
        return None


def _record_failure(device: Device, result: HookResult) -> None:
    note = f"{result.name} ({result.event}): {result.state}, exit code {result.exit_code}"
    note += f": {result.detail}" if result.detail else ""
    limit = EntryLimit.of_device(device.pk, FAILED_ACTION)
    detail = {"hook": result.name, "event": result.event, "state": result.state}
    if Entry.objects.record_limited(
        limit, FAILED_ACTION, f"devices.Device:{device.pk}", note=note[:300], detail=detail
    ):
        log.warning("A hook failed on %s: %s", device.name, note)
