"""Which names a certificate of an ACME account can contain.

The account key permits names, and no account gets a name of the console, or of a server of the
zone: devices trust these names. See: D-300
"""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from certificates.acme.problems import RejectedIdentifier
from certificates.models import Authority
from certificates.name_constraints.rules import list_rules
from devices.models import Role
from devices.registration.server_names import LOCAL_DOMAINS, NameIndex, ServerNames
from faults import Fault, Invalid
from pki.errors import BadName
from pki.names import Names, check_fqdn

MAX_PATTERNS = 50
WILDCARD = "*."


def check_patterns(texts: Iterable[str]) -> list[str]:
    """Return the normalized permitted names of an account key, or raise Invalid."""
    found = list(dict.fromkeys(_check_pattern(text) for text in texts if text.strip()))
    if not found or len(found) > MAX_PATTERNS:
        raise Invalid(
            _("Enter 1 to %d permitted names. No key was created.") % MAX_PATTERNS,
            action=_("For example: host.example.com, or *.example.com for all names below it."),
            field="names",
        )
    return found


def _check_pattern(text: str) -> str:
    plain = text.strip()
    prefix = WILDCARD if plain.startswith(WILDCARD) else ""
    try:
        name = check_fqdn(plain.removeprefix(WILDCARD))
    except BadName as fault:
        raise Invalid(
            _("%(reason)s No key was created.") % {"reason": fault.explanation},
            action=_("Enter a name such as host.example.com, or *.example.com."),
            field="names",
        ) from fault
    if name.rpartition(".")[2] in LOCAL_DOMAINS:
        raise Invalid(
            _("%(name)s is the name of every host. No key was created.") % {"name": name},
            field="names",
        )
    return prefix + name


def is_permitted(name: str, patterns: Iterable[str]) -> bool:
    """Return True if a pattern is the name, or the name is below the domain of a pattern."""
    return any(
        name.endswith(pattern[1:]) if pattern.startswith(WILDCARD) else name == pattern
        for pattern in patterns
    )


def check_names(names: list[str], patterns: list[str], authority: Authority) -> None:
    """Raise RejectedIdentifier for the first name that a certificate of a CA cannot contain.

    Programs verify it with the root of the CA, with that of the company above a subordinate CA,
    and before an activation with the current root, so the limits of all of them apply.
    """
    current = Authority.objects.filter(state="current").exclude(pk=authority.pk).first()
    limits = [*list_rules(authority), *list_rules(current)]
    for name in names:
        if not is_permitted(name, patterns):
            raise _reject(name, _("The account key does not permit the name %s.") % name)
        try:
            for rules in limits:
                rules.check(Names((name,), ()))
        except Fault as fault:
            raise _reject(name, fault.explanation) from fault
    check_servers(names)


def check_servers(names: list[str]) -> None:
    """Raise RejectedIdentifier for the first name of the console or of a server of the zone."""
    index = NameIndex.load()
    for name in names:
        try:
            index.check(ServerNames(None, Role.MANAGED, name, ()))
        except Fault as fault:
            raise _reject(name, fault.explanation) from fault


def _reject(name: str, explanation: str) -> RejectedIdentifier:
    return RejectedIdentifier(
        explanation,
        action=_("Ask an administrator for an account key that permits the name."),
        identifier={"type": "dns", "value": name},
    )
