"""Check the names and addresses of servers: what no server can have, and what another server has.

A server reports its own names, and a certificate makes devices and browsers trust them. So a name
or an address belongs to one server of the zone. Managed devices have no certificate, and what they
report reserves nothing.

See: D-122
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from devices.models import Device, Role
from faults import Conflict, Invalid, Refused
from pki import names
from pki.errors import BadName
from wire import messages

BROADCAST = ipaddress.IPv4Network("240.0.0.0/4")
THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
LOCAL_DOMAINS = ("localhost", "localdomain")


class _Holder(NamedTuple):
    """A server that has a name. `shares` is True for an additional DNS name."""

    pk: Any
    server: str
    role: str
    shares: bool


@dataclass(frozen=True)
class ServerNames:
    """The names of a server as they are, or as they are to become."""

    pk: UUID | None
    role: str
    fqdn: str
    addresses: tuple[str, ...]
    dns_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, device: Device, **changes: Any) -> ServerNames:
        """Return the names of a device, with changes."""
        values: dict[str, Any] = {
            "fqdn": device.fqdn,
            "addresses": tuple(device.addresses),
            "dns_names": tuple(device.dns_names),
            **changes,
        }
        return cls(pk=device.pk, role=device.role, **values)


def check_server_name(name: str) -> str:
    """Return a normalized DNS name. Raise a fault if it does not identify one server."""
    plain = names.check_fqdn(name)
    if plain.rpartition(".")[2] in LOCAL_DOMAINS:
        raise Invalid(
            _("%(name)s is the name of every host. Nothing was changed.") % {"name": plain},
            action=_("Enter the fully qualified domain name, for example server.example.com."),
        )
    return plain


@lru_cache(maxsize=1024)
def _find_address_fault(text: str) -> str:
    """Return why no server can have this address, "" if one can. The zone is not considered."""
    address = names.parse_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return _("is an IPv4 address in IPv6 notation")
    if address.is_unspecified or (
        address.version == THIS_NETWORK.version and address in THIS_NETWORK
    ):
        return _("is an unspecified address")
    if address.is_multicast:
        return _("is a multicast address")
    if _is_in(address, BROADCAST):
        return _("is a broadcast or reserved address")
    return ""


def _is_in(address: names.Address, network: ipaddress.IPv4Network) -> bool:
    return isinstance(address, ipaddress.IPv4Address) and address in network


def check_server_address(text: str) -> str:
    """Return a normalized IP address. Raise a fault if it does not identify one server.

    Loopback addresses are allowed only with ALLOW_LOOPBACK, because a demo zone runs on them.
    """
    reason = _find_address_fault(text)
    if not reason and names.parse_address(text).is_loopback and not settings.ALLOW_LOOPBACK:
        reason = _("is a loopback address")
    if reason:
        raise Invalid(
            _("%(address)s %(reason)s. Nothing was changed.")
            % {"address": text[:80], "reason": reason},
            action=_("Enter the IP address at which other devices reach the server."),
        )
    return names.check_address(text)


class NameIndex:
    """The names and addresses of the servers of the zone, and which server has each of them."""

    def __init__(self, servers: Iterable[Device]) -> None:
        self._holders: dict[str, list[_Holder]] = {}
        self._servers: dict[Any, Device] = {}
        for server in servers:
            self._servers[server.pk] = server
            self._add(server, [server.fqdn, *server.addresses], shares=False)
            self._add(server, server.dns_names, shares=True)

    @classmethod
    def load(cls) -> NameIndex:
        """Return the names of all servers that belong to the zone."""
        servers = Device.objects.registered().exclude(role=Role.MANAGED)
        return cls(servers.only("name", "role", "fqdn", "addresses", "dns_names"))

    def _add(self, server: Device, texts: Iterable[str], *, shares: bool) -> None:
        for text in texts:
            holder = _Holder(server.pk, server.name, server.role, shares)
            self._holders.setdefault(normalize(text), []).append(holder)

    def check(self, wanted: ServerNames, *, registered: bool = False) -> None:
        """Raise a fault for the first name that no server can have, or that another one has.

        The FQDN and addresses of a `registered` server precede the additional names of others.
        """
        own = [check_server_name(wanted.fqdn)] if wanted.fqdn else []
        for text in (*own, *map(check_server_address, wanted.addresses)):
            self._check_holders(wanted, text, precedes=registered)
        for text in map(check_server_name, wanted.dns_names):
            self._check_holders(wanted, text, shares=True)

    def check_certificate(
        self, pk: UUID, dns_names: Iterable[str], addresses: Iterable[str]
    ) -> None:
        """Raise a fault unless a certificate with these names can be issued to a server."""
        server = self._servers.get(pk)
        if server is None:
            raise Refused(
                _("This server is not approved. No certificate was issued."),
                action=_("Approve the server on its page first."),
            )
        recorded = {*map(normalize, [server.fqdn, *server.dns_names, *server.addresses])}
        unknown = [text for text in (*dns_names, *addresses) if normalize(text) not in recorded]
        if unknown:
            # They were not approved, or were removed after the request.
            raise Refused(
                _("%(names)s is not in the record of %(server)s. No certificate was issued.")
                % {"names": ", ".join(unknown), "server": server.name},
                action=_("Click Try Again to request a certificate with the current names."),
            )
        extra = tuple(name for name in dns_names if name != server.fqdn)
        wanted = ServerNames.of(server, addresses=tuple(addresses), dns_names=extra)
        self.check(wanted, registered=True)

    def _check_holders(
        self, wanted: ServerNames, text: str, *, shares: bool = False, precedes: bool = False
    ) -> None:
        is_console = text in get_console_names()
        if is_console and wanted.role != Role.PRIMARY:
            raise Conflict(
                _("%(name)s is a name of the console. Nothing was changed.") % {"name": text},
                action=_("Enter a name that only this server has."),
            )
        for holder in self._holders.get(text, ()):
            # All Primary Servers behind a load balancer can have the console's name.
            shared = shares and is_console and holder.role == Role.PRIMARY
            if holder.pk != wanted.pk and not (holder.shares and (shared or precedes)):
                raise Conflict(
                    _("%(name)s belongs to %(server)s. Nothing was changed.")
                    % {"name": text, "server": holder.server},
                    action=_(
                        "Enter a different name or address. If %(server)s no longer uses it, "
                        "retire %(server)s, or correct its names, and try again."
                    )
                    % {"server": holder.server},
                )


NameRule = Callable[[ServerNames], None]
_rules: list[NameRule] = []


def set_name_rules(*rules: NameRule) -> None:
    """Set functions that raise a fault for names that the certificate of a server cannot contain.

    They know the zone CA and its certificates, whose models this app must not import.
    """
    _rules[:] = rules


def check(wanted: ServerNames) -> None:
    """Raise a fault if a server cannot have these names."""
    NameIndex.load().check(wanted)
    if wanted.role in messages.CERTIFIED_ROLES:
        for rule in _rules:
            rule(wanted)


def get_console_names() -> frozenset[str]:
    """Return the names at which administrators open the console, from the settings."""
    urls = (settings.CONSOLE_URL, *settings.CSRF_TRUSTED_ORIGINS)
    hosts = (*settings.ALLOWED_HOSTS, *(urlsplit(url).hostname or "" for url in urls))
    return _normalize_all(tuple(hosts))


@lru_cache(maxsize=4)
def _normalize_all(hosts: tuple[str, ...]) -> frozenset[str]:
    # A name that starts with a period allows a whole domain. It is not the name of one host.
    plain = (host for host in hosts if host.strip("*") and not host.startswith((".", "*")))
    return frozenset(normalize(host) for host in plain)


def normalize(text: str) -> str:
    """Return a name or address as it is compared. Old records can contain other texts."""
    try:
        return str(names.parse_host(text.strip("[]")))
    except BadName:
        return text.lower()
