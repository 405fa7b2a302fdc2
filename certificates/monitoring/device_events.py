"""Notifications about devices: decisions that are needed, unknown roots, and what fails on a host.

What a device reports about its host is limited: a hook is notified once a day, and a TLS library
once for each update. Both name the devices of the first report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.conf import settings

from audit.models import Entry
from certificates.monitoring import audit_events
from certificates.trust import unknown_roots
from devices.identity import copies
from devices.inventory import host_reports, tls_stacks
from devices.models import Device
from notifications.delivery import events
from notifications.delivery.events import Event
from systemupdates.assignments import reports

DEVICE = "devices.Device:"
REPORTS = (host_reports.FAILED_ACTION, reports.STACK_REJECTED)
MAX_NAMED_DEVICES = 20
# Audit actions about devices that an administrator must decide on.
DECISIONS = {
    "registered-again": "was registered a second time with a key",
    copies.ACTION: "has the same identity as another host",
    "request-change": "registered with different names, addresses, or keys",
}


def build_url(path: str) -> str:
    """Return the console URL of a path, or "" if the zone has no server yet."""
    if settings.CONSOLE_URL:
        return f"{settings.CONSOLE_URL.rstrip('/')}{path}"
    server = Device.objects.primaries().order_by("registered_at").first()
    return f"{server.get_url(server.port, 'https')}{path}" if server is not None else ""


def build_decision_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each device that is waiting for a decision of an administrator."""
    for entry in entries:
        if entry.action not in DECISIONS:
            continue
        key = entry.subject.removeprefix(DEVICE)
        device = Device.objects.filter(pk=key).first()
        if device is None:
            continue
        title = f"{device.name} {DECISIONS[entry.action]}"
        facts = {"device": key, "name": device.name, "address": entry.address, **entry.detail}
        parts = [f"{title}.", f"Address: {entry.address}.", build_url(f"/devices/{key}/")]
        yield Event(
            events.DEVICE_DECISION,
            audit_events.get_key(entry),
            title,
            "\n\n".join(parts).strip(),
            facts,
        )


def build_unknown_root_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each root that the zone never issued. Only its first device is named."""
    for entry in entries:
        if entry.action != unknown_roots.ACTION:
            continue
        key = entry.subject.removeprefix(DEVICE)
        for digest in entry.detail["roots"]:
            title = f"{entry.note} trusts a root certificate that this zone never issued"
            facts = {"device": key, "name": entry.note, "root_sha256": digest}
            parts = [f"{title}.", f"SHA-256: {digest}.", build_url("/devices/?state=unknown-root")]
            text = "\n\n".join(parts).strip()
            yield Event(events.UNKNOWN_ROOT, f"root:{digest}", title, text, facts)


def build_hook_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each hook that has failed, at most one for each hook and day."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.action == host_reports.FAILED_ACTION:
            groups[str(entry.detail.get("hook", ""))].append(entry)
    for hook, group in groups.items():
        title = f"The hook {hook} failed on {_name_devices(group)}"
        advice = (
            "The device uses its new trust. Correct the cause, and run zac hooks run on the "
            "device. Further failures of this hook are in the audit log only until tomorrow."
        )
        key = f"hook:{group[0].at:%Y-%m-%d}:{hook}"
        yield _build_report_event(events.HOOK_FAILED, key, title, advice, group, {"hook": hook})


def build_stack_events(entries: Iterable[Entry]) -> Iterable[Event]:
    """Return an event for each TLS library that rejects the new certificate of an update."""
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.action == reports.STACK_REJECTED:
            for stack in entry.detail.get("stacks", []):
                groups[entry.detail.get("update", ""), stack].append(entry)
    for (update, stack), group in groups.items():
        label = tls_stacks.LABELS.get(stack, stack)
        title = f"{label} rejects the new certificate on {_name_devices(group)}"
        advice = (
            "Programs of these devices that use this library would lose contact with the servers "
            "after the activation. The agent is not affected. The page of the operation lists "
            "all devices."
        )
        facts = {"update": update, "library": stack}
        key = f"tls-library:{update}:{stack}"
        yield _build_report_event(events.STACK_REJECTED, key, title, advice, group, facts)


def _name_devices(group: list[Entry]) -> str:
    count = len({entry.subject for entry in group})
    return _get_name(group[0]) if count == 1 else f"{count} devices"


def _build_report_event(
    kind: str, key: str, title: str, advice: str, group: list[Entry], facts: dict[str, str]
) -> Event:
    lines = [f"{_get_name(entry)}: {entry.note}" for entry in group]
    more = len(lines) - MAX_NAMED_DEVICES
    text = "\n".join(lines[:MAX_NAMED_DEVICES]) + (f"\nand {more} more" if more > 0 else "")
    page = f"/devices/{group[0].subject.removeprefix(DEVICE)}/"
    parts = [f"{title}.", text, advice, build_url(page)]
    names = [_get_name(entry) for entry in group[:MAX_NAMED_DEVICES]]
    return Event(kind, key[:100], title, "\n\n".join(parts).strip(), {**facts, "devices": names})


def _get_name(entry: Entry) -> str:
    """Return the name that the device had when the entry was made."""
    return str((entry.names or {}).get(entry.subject, "")) or entry.subject
