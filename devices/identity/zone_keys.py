"""The zone keys on a Primary Server: decrypt secrets, and sign with the zone key.

The vault key is a file on this server (mode 0600, outside the database directory). The zone key
and the zone master key are stored in the database, encrypted with it. Only this module reads them.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from audit.rows import macs
from devices.identity.key_pin import KeyPin, sign_blob
from devices.models import Device, Zone, ZoneKey
from faults import Fault, Unavailable
from pki.errors import CannotOpen
from pki.protection import sealing, second_key
from pki.protection import zone_key as protection_zone_key
from wire import authentication, envelope, json_codec, server_files
from wire.envelope import Envelope, PublicKeys
from wire.metadata import SIGNED_TWICE

Keys = Mapping[ZoneKey.Kind, bytes]


class ZoneKeysUnavailable(Unavailable):
    """The zone keys cannot be decrypted on this server, so it cannot sign."""

    action = gettext_lazy(
        "Check the owner and mode (0600) of vault/vault.key on this server, or "
        "restore the file from a server backup. A new key is not generated "
        "while data encrypted with the old key exists."
    )


class ReplacedZoneKey(ZoneKeysUnavailable):
    """The database contains another key in place of a zone key."""

    action = gettext_lazy(
        "Treat it as an attack. Restore the zone keys of this server from a backup of the "
        "database. No key that was replaced is used."
    )


class Keyring:
    """The keys of the Primary Server with this data directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.pin = KeyPin(home)
        self._second_key = ""

    @cached_property
    def server_id(self) -> UUID:
        """Return the GUID of this Primary Server."""
        try:
            return UUID(json.loads((self.home / "device.json").read_text())["id"])
        except (OSError, ValueError, KeyError) as error:
            raise ZoneKeysUnavailable(
                _("This host is not a registered Primary Server in the zone.")
            ) from error

    def get_server(self) -> Device:
        """Return the device of this Primary Server."""
        return Device.objects.get(pk=self.server_id)

    @cached_property
    def zone_key(self) -> str:
        """Return the private zone key (Base64 of 32 bytes). Never log or store it."""
        key = self._zone_key(ZoneKey.Kind.SIGNING).decode()
        known = self.pin.zone_public_key
        if known and protection_zone_key.get_public_key(key) != known:
            raise ReplacedZoneKey(_("The zone key in the database is not the one of this zone."))
        return key

    @property
    def second_key(self) -> str:
        """Return the private second zone key (Base64), "" in a zone that has none yet (D-175)."""
        is_announced = Zone.objects.exclude(second_public_key="")
        exists = ZoneKey.objects.filter(kind=ZoneKey.Kind.SECOND)
        if not self._second_key and (exists.exists() or is_announced.exists()):
            self._second_key = self._zone_key(ZoneKey.Kind.SECOND).decode()
        return self._second_key

    def get_second_public_key(self) -> str:
        """Return the public part of the second zone key (Base64)."""
        return second_key.get_public_key(self.second_key)

    @cached_property
    def master(self) -> bytes:
        """Return the zone master key, from which device secrets are derived."""
        master = self._zone_key(ZoneKey.Kind.MASTER)
        if not self.pin.has_earlier_file and not self._has_joined(self.pin.is_before_macs):
            self.pin.create(master)
        if not self.pin.accepts(master):
            raise ReplacedZoneKey(
                _("The zone master key in the database is not the one that this server has used.")
            )
        if self._has_joined(self.pin.is_with_second_factors):
            self.pin.require_second_factors(master)
        return master

    def _has_joined(self, is_signed: Callable[..., bool]) -> bool:
        """Return what the signature says about the zone when this server got its keys.

        If its rows had no MACs then, the worker requires them when all rows have one.
        """
        row = ZoneKey.objects.get(kind=ZoneKey.Kind.MASTER, server_id=self.server_id)
        bound = build_binding(Zone.objects.get_zone(), row.kind, self.server_id)
        return is_signed(row.signature, binding=bound, blob=row.blob)

    @cached_property
    def row_key(self) -> bytes:
        """Return the key of the MACs of database rows (D-170)."""
        return macs.derive_key(self.master)

    @cached_property
    def _shared(self) -> sealing.VaultKey:
        """Return the key pair that every Primary Server derives from the zone master key."""
        return sealing.derive_vault_key(self.master, purpose="secrets of the console")

    def encrypt_for_servers(self, plaintext: bytes, *, binding: str) -> str:
        """Return a secret encrypted for every Primary Server."""
        return sealing.seal(plaintext, to=self._shared.public, binding=binding)

    def decrypt_for_servers(self, blob: str, *, binding: str) -> bytes:
        """Return a secret that was encrypted for every Primary Server."""
        return sealing.open_sealed(blob, private=self._shared.private, binding=binding)

    def decrypt_for_ca(self, blob: str, *, binding: str) -> bytes:
        """Return a secret encrypted with the CA vault key, which only the worker can read."""
        return self._decrypt(server_files.ca_vault_key_path(self.home), blob, binding)

    def decrypt(self, blob: str, *, binding: str) -> bytes:
        """Return a secret that was encrypted with the vault key of this server."""
        return self._decrypt(server_files.VAULT_KEY, blob, binding)

    def sign(self, payload_type: str, payload: Any) -> Envelope:
        """Sign a document with the zone keys and record an audit entry."""
        data = json_codec.dump(payload)
        Entry.objects.record("sign", payload_type, note=getattr(payload, "id", ""))
        return self.sign_without_entry(payload_type, data)

    def sign_without_entry(self, payload_type: str, data: bytes) -> Envelope:
        """Sign a document with the zone keys without an audit entry.

        The second key signs only documents for devices. It takes about 0.4 seconds.
        """
        encoded = envelope.pre_authentication_encoding(payload_type, data)
        signature = protection_zone_key.sign(self.zone_key, encoded)
        private = self.second_key if payload_type in SIGNED_TWICE else ""
        second = second_key.sign(private, encoded) if private else b""
        return envelope.build_envelope(payload_type, data, signature, second)

    def device_secret(self, device: str, epoch: int) -> str:
        """Return the secret of a device for one credential epoch."""
        return authentication.derive_secret(self.master, device=device, epoch=epoch)

    def get_mac(self, purpose: str, text: str) -> str:
        """Return a MAC (hexadecimal) that only Primary Servers can create and verify."""
        return hmac.new(self.master, f"{purpose}|{text}".encode(), "sha256").hexdigest()

    def get_ca_mac(self, purpose: str, text: str) -> str:
        """Return a MAC (hexadecimal) with the CA vault key, which the web process cannot read."""
        path = server_files.ca_vault_key_path(self.home)
        try:
            key = sealing.read_private_file(path)
        except Fault as fault:
            raise ZoneKeysUnavailable(fault.explanation, action=fault.action) from fault
        return hmac.new(key.encode(), f"{purpose}|{text}".encode(), "sha256").hexdigest()

    def share_with(self, to: Device) -> None:
        """Store the zone keys, encrypted for another Primary Server. Raises RowAltered."""
        to.check_row_mac()
        zone = Zone.objects.get_zone()
        keys = {ZoneKey.Kind.SIGNING: self.zone_key.encode(), ZoneKey.Kind.MASTER: self.master}
        _store(zone, to, keys, self.zone_key, **self.pin.get_requirements())
        if self.second_key:
            store_second_key(zone, to, self.second_key, signing_key=self.zone_key)

    def _zone_key(self, kind: str) -> bytes:
        zone = Zone.objects.get_zone()
        row = ZoneKey.objects.filter(kind=kind, server_id=self.server_id).first()
        if row is None:
            raise ZoneKeysUnavailable(
                _("The zone keys have not been encrypted for this server yet.")
            )
        binding = build_binding(zone, kind, self.server_id)
        # The other keys are compared with what this server knows. The second one is always signed.
        is_required = kind == ZoneKey.Kind.SECOND
        if not self.pin.is_signed(
            row.signature, binding=binding, blob=row.blob, is_required=is_required
        ):
            raise ReplacedZoneKey(
                _("A zone key in the database is not signed by the zone that this server joined.")
            )
        return self._decrypt(server_files.VAULT_KEY, row.blob, binding)

    def _decrypt(self, name: str | Path, blob: str, binding: str) -> bytes:
        try:
            return self._decrypt_with(self.home / name, blob, binding)
        except Fault as fault:
            raise ZoneKeysUnavailable(fault.explanation, action=fault.action) from fault

    def _decrypt_with(self, path: Path, blob: str, binding: str) -> bytes:
        try:
            private = sealing.read_private_file(path)
            return sealing.open_sealed(blob, private=private, binding=binding)
        except CannotOpen:
            # During a key rotation, some secrets are already encrypted with the next key.
            if not get_next_key_path(path).exists():
                raise
            private = sealing.read_private_file(get_next_key_path(path))
            return sealing.open_sealed(blob, private=private, binding=binding)


def get_row_key() -> macs.RowKey | None:
    """Return the key of the MACs of rows, or None if this host does not belong to a zone.

    Raises ZoneKeysUnavailable if the zone keys cannot be decrypted: then no row is written.
    """
    ring = get_keyring()
    if not ring.pin.exists and not (ring.home / "device.json").exists():
        return None
    return macs.RowKey(ring.row_key, ring.pin.exists, ring.pin.requires_second_factors)


def get_next_key_path(path: Path) -> Path:
    """Return the path of the next vault key during a key rotation."""
    return path.with_name(f"{path.name}.next")


def build_binding(zone: Zone, kind: str, server: UUID) -> str:
    """Return the text that binds an encrypted zone key to its row."""
    return f"zone|{zone.guid}|{kind}|{server}"


def store_zone_keys(zone: Zone, to: Device, *, signing_key: str, master: bytes) -> None:
    """Store the zone key and the zone master key, encrypted for the first server of a new zone."""
    keys = {ZoneKey.Kind.SIGNING: signing_key.encode(), ZoneKey.Kind.MASTER: master}
    _store(zone, to, keys, signing_key)


def store_second_key(zone: Zone, to: Device, private: str, *, signing_key: str) -> None:
    """Store the second zone key, encrypted for one Primary Server."""
    _store(zone, to, {ZoneKey.Kind.SECOND: private.encode()}, signing_key)


def _store(zone: Zone, to: Device, keys: Keys, signing_key: str, **requirements: bool) -> None:
    for kind, plaintext in keys.items():
        binding = build_binding(zone, kind, to.pk)
        blob = sealing.seal(plaintext, to=to.vault_key, binding=binding)
        signed = sign_blob(signing_key, binding=binding, blob=blob, **requirements)
        values = {"blob": blob, "signature": signed}
        ZoneKey.objects.update_or_create(kind=kind, server=to, defaults=values)


@lru_cache(maxsize=4)
def _get_keyring(home: Path) -> Keyring:
    return Keyring(home)


def get_keyring() -> Keyring:
    """Return the keyring of the Primary Server that runs this process."""
    return _get_keyring(Path(settings.SERVER_HOME))


clear_cache: Callable[[], None] = _get_keyring.cache_clear


def get_public_zone_key(zone: Zone) -> str:
    """Return the public zone key (Base64).

    It is the one that the agent of this server trusts, because SQL could change the row (D-209).
    """
    return get_keyring().pin.zone_public_key or zone.public_key


def get_public_key(zone: Zone) -> bytes:
    """Return the public zone key as 32 bytes."""
    return base64.b64decode(get_public_zone_key(zone))


def get_public_keys(zone: Zone) -> PublicKeys:
    """Return the keys that must have signed the documents for devices of the zone."""
    return PublicKeys(get_public_zone_key(zone), zone.second_public_key)
