"""What a server's certificate names: its FQDN, its addresses, its additional DNS names (D-11)."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from devices.models import Device
from faults import Fault, Invalid, Refused
from pki import names


def names_of(device: Device, *, include_dns: bool) -> names.Names:
    """Return the names that the console's record gives a server; a CSR never adds one (S-13)."""
    extra = device.dns_names if include_dns else []
    dns = [names.check_fqdn(device.fqdn), *(names.check_dns_name(name) for name in extra)]
    return names.Names(dns=tuple(dict.fromkeys(dns)), addresses=tuple(device.addresses))


def has_names(device: Device) -> bool:
    """Tell whether the record of a server makes a valid certificate."""
    try:
        names_of(device, include_dns=True)
    except Fault:
        return False
    return True


def check_names(servers: Iterable[Device], *, include_dns: bool) -> None:
    """Refuse while the record of a server does not make a valid certificate."""
    for server in servers:
        try:
            names_of(server, include_dns=include_dns)
        except Fault as fault:
            raise Refused(
                _("%(server)s cannot get a certificate: %(explanation)s Nothing was changed.")
                % {"server": server.name, "explanation": fault.explanation},
                action=_("Correct the names on the Settings tab of the device."),
            ) from fault


def check_common_name(common_name: str, servers: list[Device]) -> None:
    """Refuse a common name for several servers, or one that the SAN would not hold (D-11)."""
    if len(servers) > 1:
        raise Invalid(_("Several servers cannot share one common name."), field="common_name")
    known = {servers[0].fqdn, *servers[0].dns_names}
    if common_name.lower() not in known:
        raise Invalid(
            _("The common name must be a name of %(name)s: %(names)s.")
            % {"name": servers[0].name, "names": ", ".join(sorted(known))},
            action=_("Add the name on the Settings tab of the device first."),
            field="common_name",
        )


def order_for(
    device: Device, *, key_length: int, include_dns: bool, common_name: str = ""
) -> dict[str, object]:
    """Return what the server is to ask for in its CSR (wire.messages.CsrOrder).

    A common name that is not the FQDN is a name of the certificate too, box ticked or not.
    """
    wanted = names_of(device, include_dns=include_dns)
    name = names.check_fqdn(common_name) if common_name else wanted.dns[0]
    return {
        "common_name": name,
        "key_length": key_length,
        "dns_names": list(dict.fromkeys((*wanted.dns, name))),
        "addresses": list(wanted.addresses),
    }
