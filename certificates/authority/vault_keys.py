"""Rotate the vault keys of this Primary Server and reencrypt all secrets.

The new key is stored next to the old one until all secrets are reencrypted. Both keys work in the
meantime, so an interrupted rotation leaves all secrets readable and the next run completes it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority.key_store import build_binding as ca_binding
from certificates.models import Authority, VaultJob
from certificates.operations.states import JobState
from devices.identity import zone_keys
from devices.identity.key_pin import sign_blob
from devices.models import Device, Zone, ZoneKey
from faults import Conflict
from pki.protection import sealing
from wire import server_files


def rotate(*, now: datetime) -> int:
    """Rotate both vault keys of this server and return the number of reencrypted secrets."""
    ring = zone_keys.get_keyring()
    files = {
        ring.home / server_files.VAULT_KEY: ring.home / server_files.VAULT_PUBLIC,
        server_files.ca_vault_key_path(ring.home): ring.home / server_files.CA_VAULT_PUBLIC,
    }
    vault, ca_vault = (_load_or_create_next_key(path) for path in files)
    count = _reencrypt(ring, vault, ca_vault, now)
    for (private, public), text in zip(files.items(), (vault, ca_vault), strict=True):
        _get_next_path(private).replace(private)
        public.write_text(text)
    zone_keys.clear_cache()
    return count


def _get_next_path(path: Path) -> Path:
    return zone_keys.get_next_key_path(path)


def _load_or_create_next_key(path: Path) -> str:
    """Return the public key of the new vault key, which an interrupted run might have created."""
    following = _get_next_path(path)
    if not following.exists():
        sealing.write_private_file(following, sealing.generate_vault_key().private)
    return sealing.get_public_key(sealing.read_private_file(following))


@transaction.atomic
def _reencrypt(ring: zone_keys.Keyring, vault: str, ca_vault: str, now: datetime) -> int:
    Entry.objects.lock_checkpoint()
    server = Device.objects.select_for_update().get(pk=ring.server_id)
    if VaultJob.objects.filter(server=server, state=JobState.WAITING).exists():
        raise Conflict(
            _("A CA key operation is waiting for this server. Nothing was changed."),
            action=_("Wait a minute, then try again."),
        )
    zone, count = Zone.objects.get_zone(), 0
    # The keyring verifies them: a key that was replaced must not be signed.
    keys: dict[str, bytes] = {
        ZoneKey.Kind.SIGNING: ring.zone_key.encode(),
        ZoneKey.Kind.MASTER: ring.master,
        ZoneKey.Kind.SECOND: ring.second_key.encode(),
    }
    for row in ZoneKey.objects.filter(server=server):
        bound = zone_keys.build_binding(zone, row.kind, server.pk)
        row.blob = sealing.seal(keys[row.kind], to=vault, binding=bound)
        row.signature = sign_blob(
            ring.zone_key,
            binding=bound,
            blob=row.blob,
            requires_second_factors=ring.pin.requires_second_factors,
        )
        row.save(update_fields=["blob", "signature"])
        count += 1
    for authority in Authority.objects.filter(certificate_server=server).exclude(sealed_key=""):
        if authority.has_token_key:
            continue
        bound = ca_binding(authority.pk, server.pk)
        opened = ring.decrypt_for_ca(authority.sealed_key, binding=bound)
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
