"""Notifications about devices: decisions that are needed, and roots that the zone never issued."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from audit.models import Entry
from certificates.monitoring import audit_events
from certificates.trust import unknown_roots
from devices.identity import copies
from devices.models import Device
from notifications.delivery import events
from notifications.delivery.events import Event

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
        key = entry.subject.removeprefix("devices.Device:")
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
        key = entry.subject.removeprefix("devices.Device:")
        for digest in entry.detail["roots"]:
            title = f"{entry.note} trusts a root certificate that this zone never issued"
            facts = {"device": key, "name": entry.note, "root_sha256": digest}
            parts = [f"{title}.", f"SHA-256: {digest}.", build_url("/devices/?state=unknown-root")]
            text = "\n\n".join(parts).strip()
            yield Event(events.UNKNOWN_ROOT, f"root:{digest}", title, text, facts)
