"""The client address behind a trusted proxy.

Account lockout, audit log, and logs need the address of the client. The X-Forwarded-For header of
the proxies in ZCC_TRUSTED_PROXIES is trusted; the header of any other client is ignored.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.http import HttpResponse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_HOPS = 20


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the last address that is not a trusted proxy.

    The addresses before it cannot be trusted: any client can send them.
    """
    found = peer
    for hop in reversed([*forwarded.split(",")[-MAX_HOPS:], peer]):
        address = _address(hop)
        if address is None:
            break
        found = str(address)
        if not _is_in(address, trusted):
            break
    return found


def _is_in(address: Any, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Return True if the address of a client is that of a trusted proxy."""
    address = _address(peer)
    return address is not None and _is_in(address, trusted)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class ClientAddressMiddleware:
    """Replace the address of a trusted proxy by the client address; ignore other headers."""

    def __init__(self, get_response: Callable[[Any], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        trusted = settings.TRUSTED_PROXIES
        if trusted:
            peer = request.META.get("REMOTE_ADDR", "")
            forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
            request.META["REMOTE_ADDR"] = client_address(peer, forwarded, trusted)
            if not is_trusted(peer, trusted):
                request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        return self.get_response(request)
