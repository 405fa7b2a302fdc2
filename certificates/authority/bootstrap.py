"""Found a zone: its keys, its first Primary Server, its internal CA (manual, 1.2 and 1.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority import key_store
from certificates.issuance.names import names_of
from certificates.issuance.signing import sign_first
from certificates.models import Authority, Issued
from certificates.operations import requests
from certificates.operations.activation import record_current
from certificates.operations.preparation import external_authority, internal_authority
from certificates.operations.states import AuthorityState
from certificates.trust import roots
from devices.identity import zone_keys
from devices.models import Device, Role, Zone
from faults import Conflict
from pki import keys
from pki.certificates import details, issuance
from pki.chains import chains as chains_chain
from pki.formats import csr
from wire import messages
from wire.authentication import derive_secret


@dataclass(frozen=True)
class External:
    """An external CA to begin with (R006), and the first server's chain from it."""

    root_pem: str
    intermediates: list[str]
    server_certificates: list[str]


@dataclass(frozen=True)
class ZoneOrder:
    """What a new zone is to be: its name and its CA's subject, key and validity."""

    name: str
    subject: str = ""
    key_length: int = keys.DEFAULT_KEY_LENGTH
    years: int = 10
    external: External | None = None


@dataclass(frozen=True)
class Founded:
    """What the first server's agent needs to begin."""

    registered: messages.Registered
    chain: str
    warnings: list[str]


def found_zone(
    order: ZoneOrder, server: messages.Register, *, now: datetime, settings: dict[str, int]
) -> Founded:
    """Make the zone; the given first server holds the role of an internal CA (R010)."""
    if Zone.objects.exists():
        raise Conflict(_("This database already holds a zone. Nothing was changed."))
    requests.check_key_length(order.key_length)
    requests.check_years(order.years)
    signing_key, public, master = zone_keys.make_zone_secrets()
    with transaction.atomic():
        zone = Zone.objects.create(name=order.name, public_key=public, **settings)
        device = _first_server(server, now)
        zone_keys.seal_zone_keys(zone, device, signing_key=signing_key, master=master)
        warnings: list[str] = []
        if order.external is not None:
            authority, leaf, warnings = _external(order.external, device, now)
        else:
            authority, leaf = _internal(order, device, now)
        record_current(device, authority, leaf, now=now)
        Entry.objects.record("found", f"devices.Zone:{zone.guid}", note=zone.name)
    secret = derive_secret(master, device=str(device.pk), epoch=device.credential_epoch)
    registered = messages.Registered(
        id=str(device.pk),
        secret=secret,
        epoch=device.credential_epoch,
        trust_epoch=zone.epoch,
        zone=str(zone.guid),
        zone_pub=public,
        time=now.timestamp(),
        approved=True,
        trust=roots.trust(),
        servers=[device.server_address()],
        refresh_s=float(zone.refresh_seconds),
        server_id=str(device.pk),
    )
    return Founded(registered, leaf, warnings)


def _internal(order: ZoneOrder, device: Device, now: datetime) -> tuple[Authority, str]:
    subject = requests.check_subject(order.subject or order.name, field="subject")
    key = key_store.make_key(order.key_length)
    root = issuance.make_root(
        key_pem=key,
        subject=subject,
        validity=issuance.root_validity(now, order.years),
        serial=issuance.make_serial(),
    )
    authority = internal_authority(root, key, device, state=AuthorityState.CURRENT)
    authority.activated_at = now
    authority.save(force_insert=True)
    Issued.objects.create(
        authority=authority,
        serial=details.describe(root).serial_hex,
        purpose="root",
        subject=authority.subject,
        sha256=authority.sha256,
    )
    return authority, sign_first(authority, key, device, now=now)


def _external(given: External, device: Device, now: datetime) -> tuple[Authority, str, list[str]]:
    """Take over an external CA; the first server's certificate must fit the key on that server."""
    authority = external_authority(
        given.root_pem, chains_chain.join(*given.intermediates), state=AuthorityState.CURRENT
    )
    public_key = csr.read_csr(device.first_csr).public_key
    chain = chains_chain.build_chain(
        [*given.server_certificates, *given.intermediates],
        root_pem=given.root_pem,
        public_key=public_key,
    )
    warnings = chains_chain.check_server_chain(
        chain,
        root_pem=given.root_pem,
        names_needed=names_of(device, include_dns=False),
        now=now,
        active_at=now,
        fqdn=device.fqdn,
    )
    authority.activated_at = now
    authority.save(force_insert=True)
    return authority, chains_chain.join(*chain), warnings


def _first_server(server: messages.Register, now: datetime) -> Device:
    if server.vault_keys is None or not server.csr:
        raise Conflict(_("The first server brings its vault keys and its certification request."))
    return Device.objects.create(
        guid=uuid4(),
        name=server.name,
        role=Role.PRIMARY,
        fqdn=server.fqdn,
        addresses=list(server.addresses),
        port=server.port,
        content_port=server.content_port,
        rehearsal_port=server.rehearsal_port,
        os=server.os,
        version=server.agent,
        features=list(server.features),
        vault_key=server.vault_keys.vault,
        ca_vault_key=server.vault_keys.ca_vault,
        first_csr=server.csr,
        registered_at=now,
    )
