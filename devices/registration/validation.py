"""Validation of registration requests."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from audit.models import Entry
from devices.models import Device, Role
from devices.registration import server_names
from faults import Invalid, TooMany
from pki import names
from pki.formats import csr
from wire import messages

# A registration changes states and issues certificates, so it is limited itself, not its entries.
MAX_REGISTRATIONS = 50
REGISTRATION_PERIOD = timedelta(days=1)
RETRY_SECONDS = 600

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
MAX_ADDRESSES = 16
MAX_PORT = 65_535


def check_request(request: messages.RegisterRequest) -> None:
    """Raise Invalid if a value of the request is wrong or missing for its role."""
    if not NAME.fullmatch(request.name):
        raise Invalid(
            _("A device name can contain only letters, digits, periods, hyphens, and underscores.")
        )
    if request.role not in messages.ROLES:
        raise Invalid(_("Unknown role: %(role)r.") % {"role": request.role})
    if len(request.addresses) > MAX_ADDRESSES:
        raise Invalid(_("A device can have up to %(most)s addresses.") % {"most": MAX_ADDRESSES})
    for address in request.addresses:
        _check_address(address)
    for port in (request.port, request.content_port, request.preflight_port):
        if not 0 <= port <= MAX_PORT:
            raise Invalid(_("%(port)s is not a valid port number.") % {"port": port})
    if request.role in messages.CERTIFIED_ROLES:
        _check_server(request)


def check_names(request: messages.RegisterRequest, pk: UUID | None) -> None:
    """Raise a fault if a server requests names that it cannot have, or that another one has.

    Call this after the registration key was checked, so that strangers cannot probe for names.
    """
    if request.role != Role.MANAGED:
        addresses = tuple(request.addresses)
        server_names.check(server_names.ServerNames(pk, request.role, request.fqdn, addresses))


def _check_address(address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise Invalid(_("%(address)r is not a valid IP address.") % {"address": address}) from error


def _check_server(request: messages.RegisterRequest) -> None:
    names.check_fqdn(request.fqdn)
    if not request.addresses or not request.port or not request.csr:
        raise Invalid(_("To register a server, provide its address, port, and CSR."))
    csr.parse_csr(request.csr)
    if request.role == Role.PRIMARY and request.vault_keys is None:
        raise Invalid(_("To register a Primary Server, provide its vault keys."))


def check_parent(request: messages.RegisterRequest) -> None:
    """Raise Invalid if the parent is not a content server of the zone.

    Call this after the registration key was checked, so that strangers cannot probe for names.
    """
    servers = Device.objects.content_servers()
    if request.parent and not servers.filter(name=request.parent).exists():
        raise Invalid(
            _("The zone does not have a content server named %(parent)s. Nothing was registered.")
            % {"parent": request.parent},
            action=_("Specify a Primary Server or Content Satellite Server, or omit --parent."),
        )


def check_rate(device: Device, now: datetime) -> None:
    """Raise TooMany if a device registers too often. Each registration needs audit entries."""
    recent = Entry.objects.filter(
        action="register", subject=f"devices.Device:{device.pk}", at__gt=now - REGISTRATION_PERIOD
    )
    if recent.count() >= MAX_REGISTRATIONS:
        raise TooMany(
            _("%(device)s has registered too often in the last 24 hours. Nothing was changed.")
            % {"device": device.name},
            action=_("Find out why the device registers again and again, then try again later."),
            retry_after=RETRY_SECONDS,
        )
