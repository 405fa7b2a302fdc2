"""Propose name constraints that permit all names of the servers of the zone.

See: D-280
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress

from certificates.models import Authority, ServerCertificate
from certificates.name_constraints.rules import get_rules
from devices.models import Device
from devices.registration.certificate_names import read_names
from pki import names
from pki.certificates import constraints
from pki.certificates.constraints import MAX_ENTRIES, NameConstraints, Network
from pki.errors import BadName

# Second-level domains in which names are registered, for example co.uk and com.au.
_PUBLIC_SUFFIX = re.compile(
    r"(ac|asn|co|com|edu|gob|gov|gouv|go|ltd|me|mil|ne|net|nom|or|org|plc)\.[a-z]{2}"
)
# The lengths of networks of private and of public addresses, smallest networks first.
_PREFIXES = {4: ((24, 32), (16, 24), (8, 16)), 6: ((64, 128), (48, 64), (32, 48))}


def propose() -> NameConstraints:
    """Return the constraints of the zone CA, or those that its servers need if it has none."""
    found: NameConstraints | None = None
    with suppress(BadName):
        found = get_current()
    return found or build_proposal(list_server_names())


def has_current() -> bool:
    """Return True if the zone CA is an internal CA with name constraints."""
    return get_rules(Authority.objects.current()) is not None


def get_current() -> NameConstraints | None:
    """Return the constraints of an internal zone CA, so that the next one can have the same.

    Raises BadName if it was imported with constraints in a form that ZCC does not create.
    """
    authority = Authority.objects.current()
    return constraints.read_constraints(authority.root_pem) if authority.is_internal else None


def list_server_names() -> list[str]:
    """Return all names and addresses of servers: those of the records and of the certificates."""
    found: list[str] = []
    for fqdn, dns_names, addresses in Device.objects.certified().values_list(
        "fqdn", "dns_names", "addresses"
    ):
        found += [fqdn, *dns_names, *addresses]
    rows = ServerCertificate.objects.current().filter(device__in=Device.objects.certified())
    for chain_pem in rows.values_list("chain_pem", flat=True):
        found += read_names(chain_pem)
    return list(dict.fromkeys(found))


def build_proposal(texts: Iterable[str]) -> NameConstraints:
    """Return constraints for names and addresses. Those that are not valid are ignored."""
    hosts: list[str] = []
    addresses: list[names.Address] = []
    for text in texts:
        with suppress(BadName):
            host = names.parse_host(text.removeprefix("*."))
            if isinstance(host, str):
                hosts.append(host)
            else:
                addresses.append(host)
    domains = _reduce_domains({_get_domain(host) for host in hosts if "." in host})
    return NameConstraints(
        domains=tuple(domains),
        networks=tuple(map(str, (*_list_networks(addresses, 4), *_list_networks(addresses, 6)))),
    )


def _get_domain(host: str) -> str:
    """Return the domain of a host, or the host itself if others can register names there."""
    domain = host.partition(".")[2]
    return domain if "." in domain and not _PUBLIC_SUFFIX.fullmatch(domain) else host


def _reduce_domains(domains: set[str]) -> list[str]:
    """Return the domains that are not part of another one, and as few as one CA can have."""
    found = {one for one in domains if not any(one.endswith(f".{other}") for other in domains)}
    parents = {_get_domain(domain) for domain in found}
    if len(found) > MAX_ENTRIES and len(parents) < len(found):
        return _reduce_domains(parents)
    return sorted(found)


def _list_networks(addresses: list[names.Address], version: int) -> list[Network]:
    """Return the smallest networks of a usual size, as few as one CA can have.

    A public address stands alone if possible, because the next ones can belong to others.
    """
    wanted = [address for address in addresses if address.version == version]
    found: list[Network] = []
    for private, public in _PREFIXES[version]:
        networks = {
            ipaddress.ip_network((address, private if address.is_private else public), strict=False)
            for address in wanted
        }
        found = list(ipaddress.collapse_addresses(networks))  # type: ignore[type-var]  # of one version
        if len(found) <= MAX_ENTRIES // 2:
            break
    return found
