"""Who is really at the other end where a proxy stands in front (lock-out, ledger, logs).

The lock-out counts failures by name and address, the ledger and the logs tell the address. Behind
a proxy that would be the proxy's for everybody. So a proxy that is named in ZCC_TRUSTED_PROXIES is
believed about whom it speaks for (X-Forwarded-For), and nobody else is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.http import HttpResponse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HOPS_AT_MOST = 20


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the nearest address that is no trusted proxy, read from this end.

    What stands left of it was written by somebody who may write anything.
    """
    found = peer
    for hop in reversed([*forwarded.split(",")[-HOPS_AT_MOST:], peer]):
        address = _address(hop)
        if address is None:
            break
        found = str(address)
        if not _is_one(address, trusted):
            break
    return found


def _is_one(address: Any, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class ClientAddress:
    """Put the client's address in the place of a trusted proxy's; believe no header of others."""

    def __init__(self, get_response: Callable[[Any], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        trusted = settings.TRUSTED_PROXIES
        if trusted:
            peer = request.META.get("REMOTE_ADDR", "")
            forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
            request.META["REMOTE_ADDR"] = client_address(peer, forwarded, trusted)
            address = _address(peer)
            if address is None or not _is_one(address, trusted):
                request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        return self.get_response(request)
