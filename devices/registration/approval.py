"""Whether a registration needs a decision, and which names its key does not approve.

See: D-140; D-141
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from audit.chain import actor
from devices.models import Device, RegistrationKey, Role
from devices.registration.server_names import normalize
from devices.registration.states import DeviceState
from wire import messages

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Approval:
    """Whether a registration is approved, and what its key does not approve."""

    approves: bool
    outside_key: dict[str, Any] = field(default_factory=dict)
    is_for_device: bool = False
    """The key was made for this device, and can take it over while it is in contact."""


def decide(
    key: RegistrationKey,
    request: messages.RegisterRequest,
    device: Device,
    *,
    proven: Device | None,
) -> Approval:
    """Return whether a key approves a registration that would reuse the row `device`."""
    outside = find_outside(key, request, device, source=actor.current().address)
    if key.role == Role.MANAGED:
        # A device with its own secret could also return without a key.
        is_own = proven is not None and proven.pk == device.pk
        approves = not outside or (is_own and device.state == DeviceState.REGISTERED)
    else:
        approves = key.approves and not outside
    is_limited = key.approves or key.role == Role.MANAGED
    return Approval(
        approves=approves,
        outside_key=_describe(key, outside) if is_limited and not approves else {},
        is_for_device=bool(key.device) and approves,
    )


def decide_again(device: Device, request: messages.RegisterRequest) -> Approval:
    """Return whether a device that returns with its secret needs a decision.

    A device that has not been approved cannot approve itself by registering again.
    """
    approves = device.state == DeviceState.REGISTERED or (
        device.role == Role.MANAGED and device.replaces_id is None and not device.outside_key
    )
    if approves or not device.outside_key:
        return Approval(approves=approves)
    key = RegistrationKey.objects.filter(pk=device.outside_key["id"]).first()
    if key is None:
        return Approval(approves=False, outside_key=device.outside_key)
    outside = find_outside(key, request, device, source=actor.current().address)
    return Approval(approves=False, outside_key=_describe(key, outside))


def _describe(key: RegistrationKey, outside: list[str]) -> dict[str, Any]:
    return {"id": key.pk, "key": key.label, "names": outside}


def find_outside(
    key: RegistrationKey, request: messages.RegisterRequest, device: Device, *, source: str
) -> list[str]:
    """Return the names and addresses of a registration that a key does not approve.

    `device` is the row that the registration would reuse, and `source` the address of the client.
    For a server, the additional DNS names of this row count. If the row is registered, so do its
    names, because the registration takes them over.
    """
    if key.role == Role.MANAGED:
        addresses = [source, *request.addresses]
        return _list_outside_networks(key, addresses) if key.networks else []
    fqdns, addresses = [request.fqdn, *device.dns_names], list(request.addresses)
    if device.state == DeviceState.REGISTERED and device.registered_at:
        fqdns.append(device.fqdn)
        addresses += device.addresses
    domains = _list_outside_domains(key, filter(None, fqdns))
    return [*domains, *_list_outside_networks(key, addresses)]


def _list_outside_domains(key: RegistrationKey, fqdns: Iterable[str]) -> list[str]:
    plain = dict.fromkeys(map(normalize, fqdns))
    return [
        name
        for name in plain
        if not any(name == domain or name.endswith(f".{domain}") for domain in key.domains)
    ]


def _list_outside_networks(key: RegistrationKey, addresses: Iterable[str]) -> list[str]:
    networks = [ipaddress.ip_network(network) for network in key.networks]
    return [text for text in dict.fromkeys(addresses) if not _is_in_any(text, networks)]


def _is_in_any(text: str, networks: Iterable[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)
