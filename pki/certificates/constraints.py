"""Name constraints: the domains and networks that a CA can issue certificates for.

A verifier restricts only the types of names that the constraints mention. So the extension also
contains an entry that no name matches for IPv4, IPv6, email addresses, and URIs.

See: RFC 5280 4.2.1.10; D-280
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from cryptography import x509

from faults.texts import gettext as _
from pki import names
from pki.certificates import loading
from pki.errors import BadName, BadNetwork, NotPermitted
from pki.escaping import escape_text
from pki.names import Names

MAX_ENTRIES = 50

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Not with an exclusion of all addresses: Java 17 fails at an IPv4 address if IPv6 is excluded.
_NO_ADDRESSES: tuple[Network, ...] = (
    ipaddress.IPv4Network("0.0.0.0/32"),
    ipaddress.IPv6Network("::/128"),
)
_NO_HOST = "invalid"  # RFC 2606
_TYPES: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.RFC822Name: "Email",
    x509.UniformResourceIdentifier: "URI",
    x509.DirectoryName: "Directory name",
}


@dataclass(frozen=True)
class NameConstraints:
    """Permitted domains and networks, and excluded domains and networks in them.

    A domain includes itself and all names below it. Without networks, no IP addresses are
    permitted.
    """

    domains: tuple[str, ...]
    networks: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls, domains: Iterable[str], networks: Iterable[str] = (), excluded: Iterable[str] = ()
    ) -> NameConstraints:
        """Return normalized constraints, or raise BadName with the name of the field."""
        found = cls(
            domains=_check_each(domains, "domains"),
            networks=_check_each(networks, "networks"),
            excluded=_check_each(excluded, "excluded"),
        )
        if not found.domains:
            raise BadName(
                _("Name constraints need at least one domain, because every server has a name."),
                action=_("Enter the domains of the servers, for example corp.example.com."),
                field="domains",
            )
        return found

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> NameConstraints | None:
        """Return the constraints in the parameters of an operation, None without constraints."""
        if not stored:
            return None
        return cls.parse(stored["domains"], stored["networks"], stored["excluded"])

    def serialize(self) -> dict[str, list[str]]:
        """Return the constraints as JSON values."""
        return {name: list(texts) for name, texts in asdict(self).items()}

    def to_extension(self) -> x509.NameConstraints:
        """Return the extension. For use inside `pki` only."""
        networks = [ipaddress.ip_network(text) for text in self.networks]
        versions = {network.version for network in networks}
        networks += [network for network in _NO_ADDRESSES if network.version not in versions]
        permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in self.domains]
        permitted += [x509.IPAddress(one) for one in sorted(networks, key=lambda n: n.version)]
        permitted += [x509.RFC822Name(_NO_HOST), x509.UniformResourceIdentifier(_NO_HOST)]
        excluded = [_to_general_name(text) for text in self.excluded]
        return x509.NameConstraints(permitted, excluded or None)

    @property
    def rules(self) -> Rules:
        """The rules by which verifiers apply these constraints."""
        return Rules.of(self.to_extension())


class Rules(NamedTuple):
    """The part of name constraints that applies to DNS names and IP addresses.

    If nothing of a type is permitted, every name of this type is permitted unless it is excluded.
    """

    domains: tuple[str, ...]
    networks: tuple[Network, ...]
    excluded_domains: tuple[str, ...]
    excluded_networks: tuple[Network, ...]

    @classmethod
    def of(cls, extension: x509.NameConstraints) -> Rules:
        """Return the rules of an extension. For use inside `pki` only."""
        permitted = extension.permitted_subtrees or []
        excluded = extension.excluded_subtrees or []
        return cls(
            *(_list_domains(permitted), _list_networks(permitted)),
            *(_list_domains(excluded), _list_networks(excluded)),
        )

    def find_outside(self, wanted: Names) -> tuple[str, ...]:
        """Return the names and addresses that are not permitted."""
        return (
            *(name for name in wanted.dns if not self._permits_name(name)),
            *(text for text in wanted.addresses if not self._permits_address(text)),
        )

    def check(self, wanted: Names) -> None:
        """Raise NotPermitted, with the field of the type of the first name that is outside."""
        outside = self.find_outside(wanted)
        if outside:
            raise NotPermitted(
                _("The name constraints of the CA do not permit %(names)s.")
                % {"names": ", ".join(outside)},
                field="domains" if outside[0] in wanted.dns else "networks",
            )

    def _permits_name(self, name: str) -> bool:
        if any(_is_below(name, domain) for domain in self.excluded_domains):
            return False
        return not self.domains or any(_is_below(name, domain) for domain in self.domains)

    def _permits_address(self, text: str) -> bool:
        address = names.parse_address(text)
        if any(address in network for network in self.excluded_networks):
            return False
        return not self.networks or any(address in network for network in self.networks)


@functools.lru_cache(maxsize=64)
def read_rules(pem: str) -> Rules | None:
    """Return the rules of the first certificate of a PEM text, None without name constraints.

    Raises PkiFault if the certificate or its extensions cannot be parsed.
    """
    found = get_extension(loading.load_certificate(pem))
    return None if found is None else Rules.of(found)


def read_constraints(pem: str) -> NameConstraints | None:
    """Return the constraints of a certificate, so that a new one can have the same.

    None without name constraints. Raises BadName if they have a form that ZCC does not create.
    """
    found = read_rules(pem)
    return None if found is None else _read(found)


def _read(found: Rules) -> NameConstraints:
    networks = [str(network) for network in found.networks if network not in _NO_ADDRESSES]
    excluded = (*found.excluded_domains, *map(str, found.excluded_networks))
    return NameConstraints.parse(found.domains, networks, excluded)


def get_extension(certificate: x509.Certificate) -> x509.NameConstraints | None:
    """Return the name constraints of a certificate or None. For use inside `pki` only."""
    found = loading.get_extension(certificate, x509.NameConstraints)
    return found if isinstance(found, x509.NameConstraints) else None


def lint_extension(found: x509.ExtensionType | None) -> Iterator[str]:
    """Yield a sentence if the constraints of a root have a form that ZCC does not create."""
    if not isinstance(found, x509.NameConstraints):
        return
    try:
        is_own = _read(Rules.of(found)).to_extension() == found
    except BadName:
        is_own = False
    if not is_own:
        yield (
            "The name constraints must permit domains, and an entry each for IPv4, IPv6, email "
            "addresses, and URIs."
        )


def describe(subtrees: Iterable[x509.GeneralName] | None) -> tuple[str, ...]:
    """Return the entries of an extension as escaped texts, for example "DNS corp.example"."""
    return tuple(_describe(name) for name in subtrees or ())


def _describe(name: x509.GeneralName) -> str:
    kind = _TYPES.get(type(name), "Other name")
    value = name.value
    if value in _NO_ADDRESSES:
        return f"IPv{value.version} (none)"
    if not isinstance(name, x509.DNSName) and value == _NO_HOST:
        return f"{kind} (none)"
    text = names.format_name(value) if isinstance(value, x509.Name) else str(value)
    return f"{kind} {escape_text(text, 255)}"


def _check_each(texts: Iterable[str], field: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_check(text.strip(), field) for text in texts if text.strip()))
    if len(found) > MAX_ENTRIES:
        explanation = _("You can enter up to %(most)d entries.") % {"most": MAX_ENTRIES}
        raise BadName(explanation, field=field)
    return found


def _check(text: str, field: str) -> str:
    is_network = field == "networks" or (field == "excluded" and _looks_like_network(text))
    try:
        return _check_network(text) if is_network else _check_domain(text)
    except BadName as fault:
        raise type(fault)(fault.explanation, action=fault.action, field=field) from fault


def _looks_like_network(text: str) -> bool:
    return "/" in text or ":" in text or text.replace(".", "").isdigit()


def _check_domain(text: str) -> str:
    """Return a normalized domain. A top-level domain would permit the servers of others."""
    plain = names.check_dns_name(text.removeprefix("."))
    if "." not in plain:
        raise BadName(
            _("%(domain)s is a top-level domain.") % {"domain": plain},
            action=_("Enter a domain with two or more labels, for example corp.example.com."),
        )
    return plain


def parse_network(text: str) -> Network | None:
    """Return a network, None for other texts and for networks that contain every address."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return None
    return network if network.prefixlen else None


def _check_network(text: str) -> str:
    """Return a normalized network. A network of all addresses would be no constraint."""
    network = parse_network(text)
    if network is None:
        raise BadNetwork(_("%(text)s is not a network.") % {"text": escape_text(text, 80)})
    return str(network)


def _to_general_name(text: str) -> x509.GeneralName:
    if _looks_like_network(text):
        return x509.IPAddress(ipaddress.ip_network(text))
    return x509.DNSName(text)


def _list_domains(subtrees: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(name.value.lower() for name in subtrees if isinstance(name, x509.DNSName))


def _list_networks(subtrees: Iterable[x509.GeneralName]) -> tuple[Network, ...]:
    found = (name.value for name in subtrees if isinstance(name, x509.IPAddress))
    return tuple(
        value for value in found if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network)
    )


def _is_below(name: str, domain: str) -> bool:
    """Return True if a domain includes a name. After a leading period, not the domain itself."""
    if domain.startswith(".") or not domain:
        return name.endswith(domain)
    return name == domain or name.endswith(f".{domain}")
