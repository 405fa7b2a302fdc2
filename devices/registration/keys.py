"""The command that registers a device with a key (manual, A.7; R221).

A satellite's line names its parent: from there it copies content, and with that server's
certificate its own can be reminted.
"""

from __future__ import annotations

from devices.models import Device, Role


def line(key: str, role: str) -> str:
    """Return the command to copy; what it cannot know stands in capitals."""
    first = _first()
    command = f"zac reg {_url(first)} --key {key}"
    if role == Role.MANAGED:
        return command
    places = " --fqdn FQDN --address IP_ADDRESS"
    ports = "" if role == Role.CONTENT_SATELLITE else " --port 8443 --rehearsal-port 8444"
    content = "" if role == Role.AUTHENTICATION_SATELLITE else " --content-port 8080"
    satellite = role != Role.PRIMARY
    parent = f" --parent {first.name if first is not None else 'SERVER'}" if satellite else ""
    return f"{command} --role {role}{places}{ports}{content}{parent}"


def url() -> str:
    """Return the address of the Primary Server that has belonged to the zone for longest."""
    return _url(_first())


def _first() -> Device | None:
    return Device.objects.primaries().order_by("registered_at", "name").first()


def _url(first: Device | None) -> str:
    known = first.address(first.port, "https") if first is not None else ""
    return known or "https://SERVER:8443"
