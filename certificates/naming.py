"""What a server's certificate names: its FQDN, its addresses, its additional DNS names (D-11)."""

from __future__ import annotations

from collections.abc import Iterable

from devices.models import Device
from faults import Fault, Refused
from pki import names


def names_of(device: Device, *, include_dns: bool) -> names.Names:
    """Return the names that the console's record gives a server; a CSR never adds one (S-13)."""
    extra = device.dns_names if include_dns else []
    dns = [names.check_fqdn(device.fqdn), *(names.check_dns_name(name) for name in extra)]
    return names.Names(dns=tuple(dict.fromkeys(dns)), addresses=tuple(device.addresses))


def check_names(servers: Iterable[Device], *, include_dns: bool) -> None:
    """Refuse while the record of a server does not make a valid certificate."""
    for server in servers:
        try:
            names_of(server, include_dns=include_dns)
        except Fault as fault:
            raise Refused(
                f"{server.name} cannot get a certificate: {fault.explanation} Nothing was changed.",
                action="Correct the names on the Settings tab of the device.",
            ) from fault


def order_for(device: Device, *, key_length: int, include_dns: bool) -> dict[str, object]:
    """Return what the server is to ask for in its CSR (wire.messages.CsrOrder)."""
    wanted = names_of(device, include_dns=include_dns)
    return {
        "common_name": wanted.dns[0],
        "key_length": key_length,
        "dns_names": list(wanted.dns),
        "addresses": list(wanted.addresses),
    }
