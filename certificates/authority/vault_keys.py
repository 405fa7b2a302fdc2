"""Replace the vault keys of this Primary Server and seal anew what is sealed to them (S-34).

The new key lies beside the old one until every row is sealed to it; both open meanwhile, so a
kill at any moment leaves everything readable, and the next run goes on where this one was.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority.key_store import binding as ca_binding
from certificates.models import Authority, VaultJob
from certificates.operations.states import JobState
from devices.identity import zone_keys
from devices.models import Device, Zone, ZoneKey
from faults import Conflict
from pki.protection import sealing
from wire import server_files


def rotate(*, now: datetime) -> int:
    """Rotate both vault keys of this server; returns how many blobs were sealed anew."""
    ring = zone_keys.here()
    files = {
        ring.home / server_files.VAULT_KEY: ring.home / server_files.VAULT_PUBLIC,
        server_files.ca_vault_key(ring.home): ring.home / server_files.CA_VAULT_PUBLIC,
    }
    vault, ca_vault = (_next(path) for path in files)
    count = _reseal(ring, vault, ca_vault, now)
    for (private, public), text in zip(files.items(), (vault, ca_vault), strict=True):
        _waiting(private).replace(private)
        public.write_text(text)
    zone_keys.forget()
    return count


def _waiting(path: Path) -> Path:
    return zone_keys.next_to(path)


def _next(path: Path) -> str:
    """Return the public half of the new key; a run that was killed left it there already."""
    waiting = _waiting(path)
    if not waiting.exists():
        sealing.write_private_file(waiting, sealing.make_vault_key().private)
    return sealing.public_of(sealing.read_private_file(waiting))


@transaction.atomic
def _reseal(ring: zone_keys.Keyring, vault: str, ca_vault: str, now: datetime) -> int:
    server = Device.objects.select_for_update().get(pk=ring.server_id)
    if VaultJob.objects.filter(server=server, state=JobState.WAITING).exists():
        raise Conflict(
            _("An act on the CA key waits for this server. Nothing was changed."),
            action=_("Try again in a minute."),
        )
    zone, count = Zone.objects.the(), 0
    for row in ZoneKey.objects.filter(server=server):
        bound = zone_keys.binding(zone, row.kind, server.pk)
        row.blob = sealing.seal(ring.open(row.blob, binding=bound), to=vault, binding=bound)
        row.save(update_fields=["blob"])
        count += 1
    for authority in Authority.objects.filter(certificate_server=server).exclude(sealed_key=""):
        if authority.has_token_key:
            continue
        bound = ca_binding(authority.pk, server.pk)
        opened = ring.open_for_ca(authority.sealed_key, binding=bound)
        authority.sealed_key = sealing.seal(opened, to=ca_vault, binding=bound)
        authority.save(update_fields=["sealed_key"])
        count += 1
    Device.objects.filter(pk=server.pk).update(vault_key=vault, ca_vault_key=ca_vault)
    Entry.objects.record(
        "rotate-vault-keys",
        f"devices.Device:{server.pk}",
        note=server.name,
        detail={"blobs": count, "at": now.isoformat()},
    )
    return count
