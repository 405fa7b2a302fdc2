"""The addresses that a validation can connect to.

Hosts of a zone have internal addresses, so these are permitted. Addresses of this server itself
and of its link are not: metadata services and local programs have them. See: D-303, D-330
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from certificates.acme.problems import ValidationFailed
from certificates.acme.validation.limits import Deadline
from notifications.channels.ssrf_guard import IPV4_EMBEDDING_NETWORKS

CONNECT_SECONDS = 3.0
MAX_ADDRESSES = 2
# The resolver of the system cannot be interrupted, so a lookup has a thread that can outlive its
# validation. No more of them run at the same time.
MAX_LOOKUPS = 40
# Metadata services of clouds that are not at an address of the link (Alibaba, Azure, AWS).
METADATA = {
    ipaddress.ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")
}
_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


def connect(name: str, port: int, deadline: Deadline) -> socket.socket:
    """Return a connection to a host, or raise ValidationFailed."""
    last: OSError | None = None
    for family, address in resolve(name, port, deadline)[:MAX_ADDRESSES]:
        try:
            return _connect_to(family, address, deadline)
        except OSError as error:
            last = error
    raise ValidationFailed(
        _("%(name)s cannot be reached at port %(port)d: %(error)s.")
        % {"name": name, "port": port, "error": (last and last.strerror) or _("no response")},
        kind="connection",
    )


def _connect_to(family: int, address: Any, deadline: Deadline) -> socket.socket:
    """Return a connection to an address. Raises OSError, also if its family is not supported."""
    outgoing = socket.socket(family, socket.SOCK_STREAM)
    try:
        outgoing.settimeout(min(CONNECT_SECONDS, deadline.get_remaining()))
        outgoing.connect(address)
    except OSError:
        outgoing.close()
        raise
    return outgoing


def resolve(name: str, port: int, deadline: Deadline) -> list[tuple[int, Any]]:
    """Return the permitted addresses of a host, or raise ValidationFailed."""
    try:
        found = _look_up(name, port, deadline)
    except (OSError, UnicodeError) as error:
        raise ValidationFailed(
            _("The name %s cannot be resolved by this server.") % name, kind="dns"
        ) from error
    allowed: list[tuple[int, Any]] = [
        (family, address) for family, _t, _p, _c, address in found if _is_allowed(address)
    ]
    if not allowed:
        raise ValidationFailed(
            _("The addresses of %s are not permitted for a validation.") % name, kind="connection"
        )
    return allowed


def _look_up(name: str, port: int, deadline: Deadline) -> list[Any]:
    """Return what the resolver of the system finds. Raises OSError, or UnicodeError."""
    slots = _lookups
    if not slots.acquire(timeout=deadline.get_remaining()):
        raise TimeoutError
    results: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            results.put(error)
        finally:
            slots.release()

    threading.Thread(target=run, name="acme-lookup", daemon=True).start()
    try:
        found = results.get(timeout=deadline.get_remaining())
    except queue.Empty as error:
        raise TimeoutError from error
    if isinstance(found, Exception):
        raise found
    return found


def _is_allowed(socket_address: Any) -> bool:
    with suppress(ValueError):
        return is_allowed(str(socket_address[0]))
    return False


def is_allowed(text: str) -> bool:
    """Return True if a validation can connect to an address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if address in METADATA or any(address in network for network in IPV4_EMBEDDING_NETWORKS):
        return False
    if address.is_loopback:
        return bool(settings.ALLOW_LOOPBACK)
    is_special = address.is_unspecified or address.is_multicast or address.is_link_local
    return not (is_special or address.is_reserved)
