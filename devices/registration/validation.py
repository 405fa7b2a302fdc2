"""What a registration must tell, and what of it is refused."""

from __future__ import annotations

import ipaddress
import re

from django.utils.translation import gettext as _

from devices.models import Device, Role
from faults import Invalid
from pki import names
from pki.formats import csr
from wire import messages

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
ADDRESSES_AT_MOST = 16
PORT_AT_MOST = 65_535


def check(request: messages.Register) -> None:
    """Refuse a registration that lacks what its role needs, naming what is wrong."""
    if not NAME.fullmatch(request.name):
        raise Invalid(_("The device name may hold letters, digits, dot, dash and underscore."))
    if request.role not in messages.ROLES:
        raise Invalid(_("There is no role %(role)r.") % {"role": request.role})
    if len(request.addresses) > ADDRESSES_AT_MOST:
        raise Invalid(
            _("A device may have at most %(most)s addresses.") % {"most": ADDRESSES_AT_MOST}
        )
    for address in request.addresses:
        _check_address(address)
    for port in (request.port, request.content_port, request.rehearsal_port):
        if not 0 <= port <= PORT_AT_MOST:
            raise Invalid(_("%(port)s is no port.") % {"port": port})
    if request.role in messages.CERTIFIED_ROLES:
        _check_server(request)


def _check_address(address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise Invalid(_("%(address)r is no IP address.") % {"address": address}) from error


def _check_server(request: messages.Register) -> None:
    names.check_fqdn(request.fqdn)
    if not request.addresses or not request.port or not request.csr:
        raise Invalid(
            _("A server registers with its address, its port and a certification request.")
        )
    csr.read_csr(request.csr)
    if request.role == Role.PRIMARY and request.vault_keys is None:
        raise Invalid(_("A Primary Server registers with its vault keys."))


def check_parent(request: messages.Register) -> None:
    """Refuse a parent that is no content server of the zone: a satellite would copy from none.

    It is asked after the registration key, so that strangers learn no names.
    """
    servers = Device.objects.content_servers()
    if request.parent and not servers.filter(name=request.parent).exists():
        raise Invalid(
            _("There is no content server %(parent)s in the zone. Nothing was registered.")
            % {"parent": request.parent},
            action=_("Name a Primary Server or Content Satellite Server, or leave --parent out."),
        )
