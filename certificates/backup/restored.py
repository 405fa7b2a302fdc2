"""Open a restored zone in the closed process of the drill, and sign a probe with its CA."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority import key_store
from certificates.models import Authority
from devices.identity import zone_keys
from devices.identity.zone_keys import Keyring, ReplacedZoneKey
from devices.models import Device, Zone
from pki import keys, names
from pki.certificates import issuance
from pki.formats import csr
from pki.protection import zone_key


def migrate() -> None:
    """Bring a database of an earlier version to this one, as an upgrade does."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0)


def prove(probe: Path, *, now: datetime) -> dict[str, Any]:
    """Open the zone keys, write the probe, and return what was found. Raises a fault.

    There is no probe if the CA key is external, in a PKCS #11 token, or on another server.
    """
    ring = zone_keys.get_keyring()
    _check_zone_keys(ring, Zone.objects.get_zone())
    authority = Authority.objects.current()
    signs = (
        authority.is_internal
        and not authority.has_token_key
        and authority.certificate_server_id == ring.server_id
    )
    if signs:
        _write_probe(probe, authority, ring.get_server(), now)
    return {
        "ca_sha256": authority.sha256,
        "signed": signs,
        "devices": Device.objects.count(),
        "entries": Entry.objects.count(),
    }


def _check_zone_keys(ring: Keyring, zone: Zone) -> None:
    """Raise a fault unless the zone keys can be decrypted and are those of the zone."""
    second = ring.get_second_public_key() if zone.second_public_key else ""
    found = (zone_key.get_public_key(ring.zone_key), second)
    if not ring.master or found != (zone.public_key, zone.second_public_key):
        raise ReplacedZoneKey(_("The zone keys in the backup are not those of the zone."))


def _write_probe(probe: Path, authority: Authority, server: Device, now: datetime) -> None:
    """Write a certificate for the names of a server, issued by the restored CA, and its key."""
    key_pem = keys.generate_key(256)
    covered = names.Names((server.fqdn,), tuple(server.addresses))
    issuer = key_store.open_issuer(authority, now=now)
    prepared = issuer.prepare(
        public_key=keys.get_public_key(key_pem),
        subject=names.Subject(csr.choose_common_name(server.fqdn, covered)),
        names=covered,
        validity=issuance.get_server_validity(now, 1, authority.root_pem),
        serial=issuance.generate_serial(),
    )
    probe.write_text(key_pem + issuer.issue(prepared))
