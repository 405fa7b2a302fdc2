"""HTTP client for webhooks that does not connect to internal addresses (SSRF protection).

The host name is resolved once, every address is checked, and the connection uses a checked
address, so DNS rebinding has no effect. Redirects and proxies are not followed. Internal networks
can be allowed only in the server settings, not by an administrator.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout, parse_url
from urllib3.util.url import Url

from faults import Invalid, Refused

CONNECT_TIMEOUT, RESPONSE_TIMEOUT = 3.0, 5.0
MAX_URL = 2000
EXAMPLE = gettext_lazy("Enter the complete URL, for example https://hooks.example.com/zcc.")
# IPv6 networks whose addresses contain an IPv4 address: NAT64, 6to4, Teredo.
IPV4_EMBEDDING_NETWORKS = [
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class InternalAddress(Refused):
    """The address is internal and not in an allowed network."""

    action = gettext_lazy("To allow an internal network, set ZCC_WEBHOOK_NETWORKS on the server.")


def check_url(text: str) -> Url:
    """Return the parsed URL of a webhook without resolving it; raise Invalid if not permitted."""
    try:
        url = parse_url(text.strip())
    except HTTPError as error:
        raise _invalid_url(_("The URL is not valid.")) from error
    if url.scheme not in ("https", "http"):
        raise _invalid_url(_("The URL does not start with https://."))
    if not url.host:
        raise _invalid_url(_("The URL does not contain a host name."))
    if len(text) > MAX_URL:
        raise _invalid_url(_("The URL is longer than %s characters.") % intcomma(MAX_URL))
    if url.auth is not None:
        raise Invalid(
            _("The URL must not contain a user name or password. Nothing was changed."),
            action=_("Webhooks are authenticated by their signature instead."),
            field="url",
        )
    return url


def check_destination(text: str) -> None:
    """Raise a fault if a URL is not permitted for a webhook; its host name is resolved.

    HTTP is permitted only to the networks that the server settings allow.
    """
    url = check_url(text)
    if url.scheme == "http" and not settings.WEBHOOK_NETWORKS:
        raise _invalid_url(_("The URL starts with http://, but webhooks require https://."))
    found = resolve_allowed(str(url.host), url.port or 443)
    if url.scheme == "http" and not any(_is_in_allowed_network(address) for _, address in found):
        raise _invalid_url(
            _(
                "The URL starts with http://, but webhooks outside the allowed networks require "
                "https://."
            )
        )


def _is_in_allowed_network(address: Any) -> bool:
    return is_in_allowed_network(ipaddress.ip_address(str(address[0]).partition("%")[0]))


def _invalid_url(explanation: str) -> Invalid:
    return Invalid(
        f"{explanation} {_('Nothing was changed.')}",
        action=str(EXAMPLE),
        field="url",
    )


def resolve_allowed(host: str, port: int) -> list[tuple[int, Any]]:
    """Resolve a host name and return its allowed addresses.

    Raises InternalAddress if no address is allowed, and a fault if the name cannot be resolved.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused(
            _("The host name %(host)s cannot be resolved. Nothing was sent.") % {"host": host},
            action=_("Check the spelling of the host name, and the DNS servers of this server."),
            field="url",
        ) from error
    allowed: list[tuple[int, Any]] = [
        (family, address) for family, _, _, _, address in found if is_allowed(str(address[0]))
    ]
    if not allowed:
        raise InternalAddress(
            _("%(host)s is an internal address, which is not allowed. Nothing was sent.")
            % {"host": host},
            field="url",
        )
    return allowed


def is_allowed(text: str) -> bool:
    """Return True if webhooks may connect to an address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return is_in_allowed_network(address) or (_is_public(address) and not _embeds_ipv4(address))


def is_in_allowed_network(address: Address) -> bool:
    """Return True if an address is in a network that the server settings allow."""
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in settings.WEBHOOK_NETWORKS)


def _is_public(address: Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return _is_public(mapped)
    return address.is_global and not address.is_multicast


def _embeds_ipv4(address: Address) -> bool:
    return any(address in network for network in IPV4_EMBEDDING_NETWORKS)


def _connect(host: str, port: int | None) -> socket.socket:
    last: OSError | None = None
    for family, address in resolve_allowed(host, port or 0):
        outgoing = socket.socket(family, socket.SOCK_STREAM)
        try:
            outgoing.settimeout(CONNECT_TIMEOUT)
            outgoing.connect(address)
        except OSError as error:
            outgoing.close()
            last = error
        else:
            return outgoing
    raise last or OSError("no address")


class _TimeLimitedConnection(HTTPConnection):
    """Closes the connection after a total time limit, whatever the receiver sends."""

    def connect(self) -> None:
        """Connect and start the time limit."""
        super().connect()
        self.timer = threading.Timer(RESPONSE_TIMEOUT, self._shut_down)
        self.timer.daemon = True
        self.timer.start()

    def close(self) -> None:
        """Close the connection and stop the time limit."""
        timer = getattr(self, "timer", None)
        if timer is not None:
            timer.cancel()
        super().close()

    def _shut_down(self) -> None:
        open_socket = self.sock
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)


class _GuardedHTTP(_TimeLimitedConnection):
    """HTTP without TLS, only to allowed networks."""

    def _new_conn(self) -> socket.socket:
        outgoing = _connect(self.host, self.port)
        if not is_in_allowed_network(ipaddress.ip_address(outgoing.getpeername()[0])):
            outgoing.close()
            raise InternalAddress(
                _("HTTP is permitted only for allowed networks. Use https://."), field="url"
            )
        return outgoing


class _GuardedHTTPS(_TimeLimitedConnection, HTTPSConnection):
    """HTTPS to a checked address; the certificate is verified for the host name."""

    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS


def post(text: str, body: bytes, headers: dict[str, str]) -> int:
    """Send a POST request and return the HTTP status; the response body is not read."""
    url = check_url(text)
    timeout = Timeout(connect=CONNECT_TIMEOUT, read=RESPONSE_TIMEOUT)
    host = str(url.host)
    pool: HTTPConnectionPool
    if url.scheme == "https":
        ca = settings.WEBHOOK_CA_FILE or None
        pool = _HTTPSPool(host, url.port or 443, timeout=timeout, maxsize=1, ca_certs=ca)
    else:
        pool = _HTTPPool(host, url.port or 80, timeout=timeout, maxsize=1)
    with pool:
        response = pool.urlopen(
            "POST",
            url.request_uri,
            body=body,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        response.close()
        return response.status
