"""The network of a client, for limits by address."""

from __future__ import annotations

import ipaddress

IPV6_PREFIX = 64


def get_network(address: str) -> str:
    """Return an address as limits count it: an IPv4 address, or the /64 network of IPv6.

    A single host can use all addresses of such a network. Other texts are returned unchanged.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False).network_address)
