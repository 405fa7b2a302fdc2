"""The keys a Primary Server holds: opens what is sealed to it, signs with the zone key.

The vault key is a file on this server (0600, outside the database folder). The zone key and the
zone master are sealed to it in the database; nothing else of the console reads them.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from devices.models import Device, Zone, ZoneKey
from faults import Fault, Unavailable
from pki.errors import CannotOpen
from pki.protection import sealing
from pki.protection import zone_key as protection_zone_key
from wire import authentication, envelope, json_codec, server_files
from wire.envelope import Envelope


class SigningOff(Unavailable):
    """The zone's keys cannot be opened on this server; nothing can be signed here."""

    action = gettext_lazy(
        "Check the file vault/vault.key of this server (owner, mode 0600), or restore it from the "
        "server's backup. No new key is made while sealed ones exist."
    )


class Keyring:
    """The keys of the Primary Server whose home is given."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @cached_property
    def server_id(self) -> UUID:
        """Return which Primary Server this is."""
        try:
            return UUID(json.loads((self.home / "device.json").read_text())["id"])
        except (OSError, ValueError, KeyError) as error:
            raise SigningOff(_("This host is no registered Primary Server of the zone.")) from error

    def server(self) -> Device:
        """Return the row of the Primary Server this is."""
        return Device.objects.get(pk=self.server_id)

    @cached_property
    def zone_key(self) -> str:
        """Return the zone key (base64 of 32 bytes); never log or store it."""
        return self._zone_key(ZoneKey.Kind.SIGNING).decode()

    @cached_property
    def master(self) -> bytes:
        """Return the zone master, from which device secrets are derived."""
        return self._zone_key(ZoneKey.Kind.MASTER)

    @cached_property
    def _of_all(self) -> sealing.VaultKey:
        """Return the key pair that every Primary Server derives from the zone master."""
        return sealing.derive_vault_key(self.master, purpose="secrets of the console")

    def seal_for_all(self, plaintext: bytes, *, binding: str) -> str:
        """Seal a secret that the database holds to the Primary Servers together (S-30)."""
        return sealing.seal(plaintext, to=self._of_all.public, binding=binding)

    def open_for_all(self, blob: str, *, binding: str) -> bytes:
        """Open what was sealed to the Primary Servers together."""
        return sealing.open_sealed(blob, private=self._of_all.private, binding=binding)

    def open_for_ca(self, blob: str, *, binding: str) -> bytes:
        """Open what is sealed to this server's CA vault key; its worker alone can read that."""
        return self._open(server_files.ca_vault_key(self.home), blob, binding)

    def open(self, blob: str, *, binding: str) -> bytes:
        """Open what is sealed to this server's vault key."""
        return self._open(server_files.VAULT_KEY, blob, binding)

    def sign(self, payload_type: str, payload: Any) -> Envelope:
        """Sign a document with the zone key, and write that to the ledger (S-42)."""
        data = json_codec.dump(payload)
        Entry.objects.record("sign", payload_type, note=getattr(payload, "id", ""))
        return self.sign_unrecorded(payload_type, data)

    def sign_unrecorded(self, payload_type: str, data: bytes) -> Envelope:
        """Sign without a ledger entry: only for the statement of a first contact."""
        signature = protection_zone_key.sign(
            self.zone_key, envelope.signed_bytes(payload_type, data)
        )
        return envelope.wrap(payload_type, data, signature)

    def device_secret(self, device: str, epoch: int) -> str:
        """Derive the secret of a device for one credential epoch."""
        return authentication.derive_secret(self.master, device=device, epoch=epoch)

    def hand_over(self, to: Device) -> None:
        """Seal the zone's keys to another Primary Server, so that it can do all that this can."""
        zone = Zone.objects.the()
        seal_zone_keys(zone, to, signing_key=self.zone_key, master=self.master)

    def _zone_key(self, kind: str) -> bytes:
        zone = Zone.objects.the()
        row = ZoneKey.objects.filter(kind=kind, server_id=self.server_id).first()
        if row is None:
            raise SigningOff(_("The zone's keys have not been sealed to this server yet."))
        return self._open(server_files.VAULT_KEY, row.blob, binding(zone, kind, self.server_id))

    def _open(self, name: str | Path, blob: str, binding: str) -> bytes:
        try:
            return self._open_with(self.home / name, blob, binding)
        except Fault as fault:
            raise SigningOff(fault.explanation, action=fault.action) from fault

    def _open_with(self, path: Path, blob: str, binding: str) -> bytes:
        try:
            private = sealing.read_private_file(path)
            return sealing.open_sealed(blob, private=private, binding=binding)
        except CannotOpen:
            # Keys are being rotated: what was sealed anew opens with the one that comes (S-34).
            if not next_to(path).exists():
                raise
            private = sealing.read_private_file(next_to(path))
            return sealing.open_sealed(blob, private=private, binding=binding)


def next_to(path: Path) -> Path:
    """Return where the next vault key lies while keys are rotated."""
    return path.with_name(f"{path.name}.next")


def binding(zone: Zone, kind: str, server: UUID) -> str:
    """Return what binds a sealed zone key to its row: moved elsewhere it does not open (S-33)."""
    return f"zone|{zone.guid}|{kind}|{server}"


def seal_zone_keys(zone: Zone, to: Device, *, signing_key: str, master: bytes) -> None:
    """Store zone key and zone master, sealed to one Primary Server's vault key."""
    values = {ZoneKey.Kind.SIGNING: signing_key.encode(), ZoneKey.Kind.MASTER: master}
    for kind, plaintext in values.items():
        blob = sealing.seal(plaintext, to=to.vault_key, binding=binding(zone, kind, to.pk))
        ZoneKey.objects.update_or_create(kind=kind, server=to, defaults={"blob": blob})


@lru_cache(maxsize=4)
def _at(home: Path) -> Keyring:
    return Keyring(home)


def here() -> Keyring:
    """Return the keyring of the Primary Server this process runs on."""
    return _at(Path(settings.SERVER_HOME))


forget: Callable[[], None] = _at.cache_clear


def make_zone_secrets() -> tuple[str, str, bytes]:
    """Make a zone key (private and public, base64) and a zone master for a new zone."""
    private, public = protection_zone_key.make_zone_key()
    return private, public, secrets.token_bytes(32)


def zone_public(zone: Zone) -> bytes:
    """Return the zone's public key as 32 bytes."""
    return base64.b64decode(zone.public_key)
