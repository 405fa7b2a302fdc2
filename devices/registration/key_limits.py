"""What a registration key approves: domains, networks, and the name of one device.

A key that approves servers is as valuable as the names that it can put into certificates. So it
names the domains and networks of the servers that it approves. Other servers are waiting for an
administrator.

See: D-140; D-141
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from devices.models import Role
from devices.registration.server_names import LOCAL_DOMAINS
from devices.registration.validation import NAME
from faults import Invalid
from pki import names
from pki.certificates.constraints import parse_network
from pki.errors import BadName
from pki.escaping import escape_text

MAX_ENTRIES = 20


@dataclass(frozen=True)
class KeyLimits:
    """The domains and networks that a key approves, and the device that it is for ("" is any)."""

    domains: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    device: str = ""


NO_LIMITS = KeyLimits()


def check_limits(limits: KeyLimits, *, role: str, approves: bool) -> KeyLimits:
    """Return normalized limits. Raise Invalid if a key for this role cannot have them."""
    checked = KeyLimits(
        domains=_check_each(limits.domains, _check_domain, field="domains"),
        networks=_check_each(limits.networks, _check_network, field="networks"),
        device=limits.device.strip(),
    )
    if checked.device and not NAME.fullmatch(checked.device):
        raise Invalid(
            _("%(name)s is not a valid device name. No key was created.")
            % {"name": checked.device[:80]},
            action=_("Enter the name that the device registers with."),
            field="device",
        )
    if role == Role.MANAGED:
        _check_managed(checked)
    else:
        _check_server(checked, approves=approves)
    return checked


def _check_managed(limits: KeyLimits) -> None:
    if limits.domains:
        raise Invalid(
            _("Managed devices have no certificate, so domains do not apply. No key was created."),
            action=_("Leave the domains empty. Networks are optional."),
            field="domains",
        )


def _check_server(limits: KeyLimits, *, approves: bool) -> None:
    field = "networks" if limits.domains else "domains"
    if approves and not (limits.domains and limits.networks):
        raise Invalid(
            _(
                "A key that approves servers automatically must contain the "
                "domains and networks of these servers. No key was created."
            ),
            action=_(
                "Enter at least one domain and one network, for example "
                "branch.example.com and 10.1.0.0/16."
            ),
            field=field,
        )
    if not approves and (limits.domains or limits.networks):
        raise Invalid(
            _(
                "Domains and networks apply only to a key that approves "
                "servers automatically. No key was created."
            ),
            action=_("Approve servers automatically, or leave the domains and networks empty."),
            field="domains" if limits.domains else "networks",
        )


def _check_each(texts: Iterable[str], check: Any, *, field: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(check(text.strip()) for text in texts))
    if len(found) > MAX_ENTRIES:
        raise Invalid(
            _("You can enter up to %(most)d domains and %(most)d networks. No key was created.")
            % {"most": MAX_ENTRIES},
            field=field,
        )
    return found


def _check_domain(text: str) -> str:
    """Return a normalized domain. A top-level domain would approve the servers of others."""
    try:
        plain = names.check_fqdn(text.removeprefix("."))
    except BadName as fault:
        plain = ""
        reason = fault.explanation
    else:
        reason = _("This is the domain of every host.") if plain in LOCAL_DOMAINS else ""
    if reason:
        raise Invalid(
            _("%(reason)s No key was created.") % {"reason": reason},
            action=_("Enter a domain with two or more labels, for example branch.example.com."),
            field="domains",
        )
    return plain


def _check_network(text: str) -> str:
    """Return a normalized network. A network of all addresses would be no limit."""
    network = parse_network(text)
    if network is None:
        raise Invalid(
            _("%(text)s is not a network that a key can approve. No key was created.")
            % {"text": escape_text(text, 80) or _("An empty text")},
            action=_("Enter a network in CIDR notation, for example 10.1.0.0/16 or 2001:db8::/48."),
            field="networks",
        )
    return str(network)
