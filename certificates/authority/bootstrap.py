"""Create a zone: its keys, its first Primary Server, and its CA.

See: manual 1.2, 1.2.1
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority import key_store
from certificates.future_ca.building import build_external_authority, build_internal_authority
from certificates.issuance.names import build_names
from certificates.issuance.signing import sign_initial_certificate
from certificates.models import Authority, IssuedCertificate
from certificates.operations import requests
from certificates.operations.activation import record_current_certificate
from certificates.operations.states import AuthorityState
from certificates.trust import roots
from devices.identity import zone_keys
from devices.models import Device, Role, Zone
from faults import Conflict
from pki import keys
from pki.certificates import ca_certificates, details, issuance
from pki.chains import chains as chains_chain
from pki.formats import csr
from pki.protection import zone_key
from wire import messages
from wire.authentication import derive_secret


@dataclass(frozen=True)
class ExternalCA:
    """An external CA for the new zone, and the certificate chain of the first server."""

    root_pem: str
    intermediates: list[str]
    server_certificates: list[str]


@dataclass(frozen=True)
class ZoneRequest:
    """The parameters of a new zone and its CA."""

    name: str
    subject: str = ""
    key_length: int = keys.DEFAULT_KEY_LENGTH
    years: int = 10
    external: ExternalCA | None = None
    subordinate: bool = False
    """The first CA is internal until another CA has certified the key of its successor (D-299)."""


@dataclass(frozen=True)
class CreatedZone:
    """The registration of the first server, its certificate chain, and warnings about it."""

    registered: messages.RegisterResponse
    chain: str
    warnings: list[str]


def create_zone(
    request: ZoneRequest,
    server: messages.RegisterRequest,
    *,
    now: datetime,
    settings: dict[str, int],
) -> CreatedZone:
    """Create the zone. The first server becomes the certificate server of an internal CA."""
    if Zone.objects.exists():
        raise Conflict(_("This database already contains a zone. Nothing was changed."))
    requests.check_key_length(request.key_length)
    requests.check_years(request.years)
    signing_key, public = zone_key.generate_zone_key()
    master = secrets.token_bytes(32)
    with transaction.atomic():
        zone = Zone.objects.create(name=request.name, public_key=public, **settings)
        device = _create_first_server(server, now)
        zone_keys.store_zone_keys(zone, device, signing_key=signing_key, master=master)
        warnings: list[str] = []
        if request.external is not None:
            authority, leaf, warnings = _create_external_ca(request.external, device, now)
        else:
            authority, leaf = _create_internal_ca(request, device, now)
        record_current_certificate(device, authority, leaf, now=now)
        Entry.objects.record("found", f"devices.Zone:{zone.guid}", note=zone.name)
    secret = derive_secret(master, device=str(device.pk), epoch=device.credential_epoch)
    registered = messages.RegisterResponse(
        id=str(device.pk),
        secret=secret,
        epoch=device.credential_epoch,
        trust_epoch=zone.epoch,
        zone=str(zone.guid),
        zone_pub=public,
        time=now.timestamp(),
        approved=True,
        trust=roots.build_trust(),
        servers=[device.get_server_address()],
        refresh_s=float(zone.refresh_seconds),
        server_id=str(device.pk),
    )
    return CreatedZone(registered, leaf, warnings)


def _create_internal_ca(
    request: ZoneRequest, device: Device, now: datetime
) -> tuple[Authority, str]:
    subject = requests.check_subject(request.subject or request.name, field="subject")
    key = key_store.generate_key(request.key_length)
    root = ca_certificates.build_root(
        key_pem=key,
        subject=subject,
        validity=issuance.get_root_validity(now, request.years),
        serial=issuance.generate_serial(),
    )
    authority = build_internal_authority(root, key, device, state=AuthorityState.CURRENT)
    authority.activated_at = now
    authority.save(force_insert=True)
    IssuedCertificate.objects.create(
        authority=authority,
        serial=details.get_details(root).serial_hex,
        purpose="root",
        subject=authority.subject,
        sha256=authority.sha256,
    )
    return authority, sign_initial_certificate(authority, key, device, now=now)


def _create_external_ca(
    given: ExternalCA, device: Device, now: datetime
) -> tuple[Authority, str, list[str]]:
    """Store an external CA. The server certificate must match the key of the first server."""
    authority = build_external_authority(
        given.root_pem, chains_chain.join(*given.intermediates), state=AuthorityState.CURRENT
    )
    public_key = csr.parse_csr(device.initial_csr).public_key
    chain, warnings = chains_chain.choose_chain(
        given.server_certificates,
        given.intermediates,
        root_pem=given.root_pem,
        public_key=public_key,
        expected=chains_chain.Requirements(
            names=build_names(device, include_dns=False), fqdn=device.fqdn, now=now, active_at=now
        ),
    )
    authority.activated_at = now
    authority.save(force_insert=True)
    return authority, chains_chain.join(*chain), warnings


def _create_first_server(server: messages.RegisterRequest, now: datetime) -> Device:
    if server.vault_keys is None or not server.csr:
        raise Conflict(_("The first server must provide its vault keys and a CSR."))
    return Device.objects.create(
        guid=uuid4(),
        name=server.name,
        role=Role.PRIMARY,
        fqdn=server.fqdn,
        addresses=list(server.addresses),
        port=server.port,
        content_port=server.content_port,
        preflight_port=server.preflight_port,
        os=server.os,
        version=server.agent,
        features=list(server.features),
        vault_key=server.vault_keys.vault,
        ca_vault_key=server.vault_keys.ca_vault,
        initial_csr=server.csr,
        registered_at=now,
    )
