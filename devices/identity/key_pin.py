"""What a Primary Server knows about the zone keys without the database.

Anyone can encrypt a key of their own for the public vault key of a server. So the zone key must be
the one that the agent trusts, and the zone master key the one that this server has used before.
A server without a pin has just joined: its keys must be signed with the zone key.

See: D-170
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from faults import Fault
from pki.protection import sealing, zone_key

log = logging.getLogger(__name__)

FILE_NAME = "vault/zone-master.pin"
SECOND_FACTORS_FILE = "vault/second-factors.pin"
# Earlier versions have no pin, but this file, which is written with the zone key. The first ones
# wrote it to ZCC_HOME.
EARLIER_FILE = "audit-head.json"


def build_signed_text(
    binding: str, blob: str, *, requires_macs: bool = True, requires_second_factors: bool = False
) -> bytes:
    """Return what the zone key signs about an encrypted zone key of one server.

    `requires_macs` is False while the rows of an upgraded zone have no MACs yet, and
    `requires_second_factors` while its second factors have none (D-210).
    """
    purpose = "zcc-zone-key" if requires_macs else "zcc-zone-key-before-macs"
    if requires_macs and requires_second_factors:
        purpose = "zcc-zone-key-second-factors"
    return f"{purpose}|{binding}|{hashlib.sha256(blob.encode()).hexdigest()}".encode()


def sign_blob(
    private: str,
    *,
    binding: str,
    blob: str,
    requires_macs: bool = True,
    requires_second_factors: bool = False,
) -> str:
    """Return the signature of the zone key (Base64) over an encrypted zone key and its row."""
    text = build_signed_text(
        binding,
        blob,
        requires_macs=requires_macs,
        requires_second_factors=requires_second_factors,
    )
    return base64.b64encode(zone_key.sign(private, text)).decode()


class KeyPin:
    """The fingerprint of the zone master key in the data directory of a Primary Server.

    While it exists, the MACs of rows are required.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / FILE_NAME
        self._second_factors = home / SECOND_FACTORS_FILE
        self._found = False
        self._found_second_factors = False
        self._zone_public_key = ""

    @property
    def exists(self) -> bool:
        """Return True if this server has a pin. It is never removed."""
        self._found = self._found or bool(self._read())
        return self._found

    @property
    def requires_second_factors(self) -> bool:
        """Return True if this server requires MACs of second factors. That never ends (D-210)."""
        self._found_second_factors = self._found_second_factors or self._second_factors.exists()
        return self._found_second_factors

    def get_requirements(self) -> dict[str, bool]:
        """Return what keys that this server shares say about the MACs of the zone."""
        return {
            "requires_macs": self.exists,
            "requires_second_factors": self.requires_second_factors,
        }

    def _read(self) -> str:
        try:
            return self._path.read_text().strip()
        except FileNotFoundError:
            return ""

    @property
    def zone_public_key(self) -> str:
        """Return the public zone key that the agent of this server trusts, "" if unknown."""
        if not self._zone_public_key:
            with suppress(OSError, ValueError):
                identity = json.loads((self._home / "device.json").read_text())
                self._zone_public_key = str(identity.get("zone_pub", ""))
        return self._zone_public_key

    def accepts(self, master: bytes) -> bool:
        """Return True if this is the pinned zone master key, or if there is no pin yet."""
        if not self.exists:
            return True
        return hmac.compare_digest(self._read(), _get_fingerprint(master))

    def is_signed(
        self, signature: str, *, binding: str, blob: str, is_required: bool = False
    ) -> bool:
        """Return True if the zone signed this encrypted key, or if that is not required.

        Keys of earlier versions have no signature. They are accepted from a server's own past,
        unless the signature `is_required`.
        """
        if not self.zone_public_key:
            return True
        if not signature:
            return not is_required and (self.exists or self.has_earlier_file)
        return (
            self._verify(signature, build_signed_text(binding, blob))
            or self.is_before_macs(signature, binding=binding, blob=blob)
            or self.is_with_second_factors(signature, binding=binding, blob=blob)
        )

    def is_before_macs(self, signature: str, *, binding: str, blob: str) -> bool:
        """Return True if the zone signed this encrypted key before its rows had MACs."""
        text = build_signed_text(binding, blob, requires_macs=False)
        return self._verify(signature, text)

    def is_with_second_factors(self, signature: str, *, binding: str, blob: str) -> bool:
        """Return True if the zone signed this encrypted key when second factors had MACs."""
        text = build_signed_text(binding, blob, requires_second_factors=True)
        return self._verify(signature, text)

    def _verify(self, signature: str, text: bytes) -> bool:
        try:
            raw = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        return bool(raw) and zone_key.verify(self.zone_public_key, text, raw)

    @property
    def has_earlier_file(self) -> bool:
        """Return True if an earlier version has run on this server."""
        folders = (self._home, Path(settings.ZCC_HOME))
        return any((folder / EARLIER_FILE).exists() for folder in folders)

    def create(self, master: bytes) -> None:
        """Pin the zone master key. From now on, rows without a MAC are rejected."""
        if not self.exists:
            _write(self._path, master)

    def require_second_factors(self, master: bytes) -> None:
        """Reject second factors and recovery codes without a MAC from now on."""
        if not self.requires_second_factors:
            _write(self._second_factors, master)


def _write(path: Path, master: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    try:
        sealing.write_private_file(partial, _get_fingerprint(master))
        # Another process can have created it in the meantime. The first one stays.
        os.link(partial, path)
    except FileExistsError:
        pass
    except (OSError, Fault) as error:
        log.warning("Could not write %s: %s", path, error)
    finally:
        partial.unlink(missing_ok=True)


def _get_fingerprint(master: bytes) -> str:
    return hmac.new(master, b"zcc-zone-master", "sha256").hexdigest()
