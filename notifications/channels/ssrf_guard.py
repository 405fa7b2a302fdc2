"""Keep webhooks away from internal addresses (S-92).

The name is resolved once, every address is judged, and the connection goes to an address that was
judged: a name that answers differently the next moment (DNS rebinding) gains nothing. Redirects
and proxies are not followed. The installation may allow networks, an administrator may not.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress
from typing import Any

from django.conf import settings
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout, parse_url
from urllib3.util.url import Url

from faults import Invalid, Refused

CONNECT_WITHIN, ANSWER_WITHIN = 3.0, 5.0
URL_AT_MOST = 2000
# IPv6 addresses that carry an IPv4 address to somewhere else: translated, 6to4, Teredo.
CARRIERS = [
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Internal(Refused):
    """The address is inside, and the installation has not allowed it."""

    action = "The operator can allow a network with ZCC_WEBHOOK_NETWORKS."


def check_url(text: str) -> Url:
    """Return a URL that a webhook may have; without resolving its name."""
    try:
        url = parse_url(text.strip())
    except HTTPError as error:
        raise Invalid("This is not a URL.", field="url") from error
    if url.scheme not in ("https", "http") or not url.host or len(text) > URL_AT_MOST:
        raise Invalid("Enter a URL that begins with https://.", field="url")
    if url.auth is not None:
        raise Invalid(
            "A URL with a user name or password in it is not taken. Nothing was changed.",
            action="The receiver checks the signature instead.",
            field="url",
        )
    return url


def addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Resolve a name and return what may be connected to; raises Internal if nothing may."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused(f"The name {host} cannot be resolved.", field="url") from error
    allowed: list[tuple[int, Any]] = [
        (family, place) for family, _, _, _, place in found if is_allowed(str(place[0]))
    ]
    if not allowed:
        raise Internal(f"{host} is an internal address. Nothing was sent.", field="url")
    return allowed


def is_allowed(text: str) -> bool:
    """Tell whether an address may be connected to."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return is_inside_allowed(address) or (_is_public(address) and not _is_carrier(address))


def is_inside_allowed(address: Address) -> bool:
    """Tell whether the installation allows this address by name of its network."""
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in settings.WEBHOOK_NETWORKS)


def _is_public(address: Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return _is_public(mapped)
    return address.is_global and not address.is_multicast


def _is_carrier(address: Address) -> bool:
    return any(address in network for network in CARRIERS)


def _connect(host: str, port: int | None) -> socket.socket:
    last: OSError | None = None
    for family, place in addresses(host, port or 0):
        outgoing = socket.socket(family, socket.SOCK_STREAM)
        try:
            outgoing.settimeout(CONNECT_WITHIN)
            outgoing.connect(place)
        except OSError as error:
            outgoing.close()
            last = error
        else:
            return outgoing
    raise last or OSError("no address")


class _Limited(HTTPConnection):
    """Cuts the line when the receiver takes too long as a whole: octet by octet is no answer."""

    def connect(self) -> None:
        """Connect, and let the time run from then on."""
        super().connect()
        self.limit = threading.Timer(ANSWER_WITHIN, self._cut)
        self.limit.daemon = True
        self.limit.start()

    def close(self) -> None:
        """End the line and its time."""
        limit = getattr(self, "limit", None)
        if limit is not None:
            limit.cancel()
        super().close()

    def _cut(self) -> None:
        line = self.sock
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class _GuardedHTTP(_Limited):
    """Plain HTTP, for a network that the installation allows."""

    def _new_conn(self) -> socket.socket:
        outgoing = _connect(self.host, self.port)
        if not is_inside_allowed(ipaddress.ip_address(outgoing.getpeername()[0])):
            outgoing.close()
            raise Internal("Plain HTTP is for allowed networks alone: use https://.", field="url")
        return outgoing


class _GuardedHTTPS(_Limited, HTTPSConnection):
    """HTTPS; the certificate is checked against the name, the connection goes to the address."""

    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS


def post(text: str, body: bytes, headers: dict[str, str]) -> int:
    """Post to a URL and return the status; what the receiver says besides is not read."""
    url = check_url(text)
    timeout = Timeout(connect=CONNECT_WITHIN, read=ANSWER_WITHIN)
    host = str(url.host)
    pool: HTTPConnectionPool
    if url.scheme == "https":
        ca = settings.WEBHOOK_CA_FILE or None
        pool = _HTTPSPool(host, url.port or 443, timeout=timeout, maxsize=1, ca_certs=ca)
    else:
        pool = _HTTPPool(host, url.port or 80, timeout=timeout, maxsize=1)
    with pool:
        answer = pool.urlopen(
            "POST",
            url.request_uri,
            body=body,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        answer.close()
        return answer.status
