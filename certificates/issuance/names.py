"""The names in server certificates: FQDN, IP addresses, and additional DNS names (D-11)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from certificates.models import Authority, ServerCertificate
from certificates.name_constraints.rules import get_rules
from devices.models import Device, Zone
from devices.registration.server_names import NameIndex
from faults import Fault, Invalid, Refused
from pki import names
from pki.certificates.constraints import Rules
from pki.errors import NotPermitted
from pki.formats import csr


def build_names(device: Device, *, include_dns: bool) -> names.Names:
    """Return the names of a server from its record in the console. CSRs do not add names."""
    extra = device.dns_names if include_dns else []
    dns = [names.check_fqdn(device.fqdn), *(names.check_dns_name(name) for name in extra)]
    return names.Names(dns=tuple(dict.fromkeys(dns)), addresses=tuple(device.addresses))


def select_with_names(servers: Iterable[Device]) -> list[Device]:
    """Return the servers to which a certificate can be issued with all their names."""
    found = list(servers)
    faults = find_name_faults(found)
    return [one for one in found if one.pk not in faults]


def find_name_faults(servers: Iterable[Device]) -> dict[UUID, str]:
    """Return why a certificate cannot be issued to servers with all their names, by server.

    A previous release recorded names that are no longer accepted, so these servers are not renewed.
    """
    found = list(servers)
    if not found:
        return {}
    index, rules = NameIndex.load(), get_rules(Authority.objects.filter(state="current").first())
    faults = ((one.pk, _find_fault(one, index, rules, include_dns=True)) for one in found)
    return {pk: _explain(fault) for pk, fault in faults if fault is not None}


def list_servers_with_name_faults(now: datetime) -> list[tuple[Device, str]]:
    """Return the servers that are not renewed because of their names, each with the reason.

    Only servers with additional DNS names, and those whose certificate must be renewed now, are
    checked, because a zone can have thousands of servers.
    """
    soon = now + timedelta(days=Zone.objects.get_zone().renewal_days)
    due = ServerCertificate.objects.current().filter(not_after__lte=soon).values("device")
    servers = Device.objects.certified().filter(~Q(dns_names=[]) | Q(pk__in=due)).order_by("name")
    found = list(servers)
    faults = find_name_faults(found)
    return [(one, faults[one.pk]) for one in found if one.pk in faults]


def _explain(fault: Fault) -> str:
    return fault.explanation.removesuffix(_("Nothing was changed.")).strip()


def check_names(
    servers: Iterable[Device], *, include_dns: bool, rules: Rules | None = None
) -> None:
    """Reject servers with names that a certificate cannot contain, or that another server has.

    `rules` are the name constraints of the CA that signs the certificates.
    """
    index = NameIndex.load()
    for server in servers:
        fault = _find_fault(server, index, rules, include_dns=include_dns)
        if isinstance(fault, NotPermitted):
            raise Refused(
                _(
                    "A certificate cannot be issued to %(server)s: "
                    "%(explanation)s Nothing was changed."
                )
                % {"server": server.name, "explanation": fault.explanation},
                action=_(
                    "Permit the names in the name constraints of the new CA, or correct them on "
                    "the Settings tab of the device."
                ),
                field=fault.field,
            ) from fault
        if fault is not None:
            raise Refused(
                _(
                    "A certificate cannot be issued to %(server)s: "
                    "%(explanation)s Nothing was changed."
                )
                % {"server": server.name, "explanation": _explain(fault)},
                action=_("Correct the names on the Settings tab of the device."),
            ) from fault


def _find_fault(
    device: Device, index: NameIndex, rules: Rules | None, *, include_dns: bool
) -> Fault | None:
    try:
        wanted = build_names(device, include_dns=include_dns)
        index.check_certificate(device.pk, wanted.dns, wanted.addresses)
        if rules is not None:
            rules.check(wanted)
    except Fault as fault:
        return fault
    return None


def check_common_name(common_name: str, servers: list[Device]) -> None:
    """Raise Invalid unless the common name is a name of the only server in the list (D-11)."""
    if len(servers) > 1:
        raise Invalid(_("Each server must have its own common name."), field="common_name")
    known = {servers[0].fqdn, *servers[0].dns_names}
    if common_name.lower() not in known:
        raise Invalid(
            _("The common name must be one of the names of %(name)s: %(names)s.")
            % {"name": servers[0].name, "names": ", ".join(sorted(known))},
            action=_("Add the name on the Settings tab of the device first."),
            field="common_name",
        )


def build_csr_parameters(
    device: Device, *, key_length: int, include_dns: bool, common_name: str = ""
) -> dict[str, object]:
    """Return the parameters for the CSR of a server, as in wire.messages.CsrParameters.

    The common name is always added to the DNS names. Another name of the server takes its place in
    the subject if it is too long (D-163).
    """
    wanted = build_names(device, include_dns=include_dns)
    name = names.check_fqdn(common_name) if common_name else wanted.dns[0]
    return {
        "common_name": csr.choose_common_name(name, wanted),
        "key_length": key_length,
        "dns_names": list(dict.fromkeys((*wanted.dns, name))),
        "addresses": list(wanted.addresses),
    }
