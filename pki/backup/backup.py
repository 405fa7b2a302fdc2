"""The CA backup: a zip of two members, sealed under a passphrase (docs/decisions.md D-30, D-31).

`manifest.json` is canonical JSON and the associated data of `payload.enc`, AES-256-GCM over an
inner zip under a key from scrypt (RFC 7914). With openssl alone it can be recovered, too.
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pki import keys
from pki.backup import archive, passphrases
from pki.backup.archive import Manifest
from pki.certificates.details import describe, digest
from pki.chains import chains
from pki.errors import CannotOpen, PkiFault, WrongKey
from pki.protection import zone_key as protection_zone_key

__all__ = ["BackupContents", "Manifest", "peek_backup", "read_backup", "write_backup"]

N = 2**17  # about a second and 128 MiB
_SALT_SIZE = 16
_NONCE_SIZE = 12
_MAX_MEMORY = 320 * 1024 * 1024
_ONE_AT_A_TIME = threading.Lock()

_CANNOT_OPEN = "The backup cannot be opened: the passphrase is wrong, or the file was changed."


@dataclass(frozen=True)
class BackupContents:
    """All that belongs to a CA: enough to carry on with it on another server."""

    zone: str
    zone_name: str
    created: datetime
    ca_key_pem: str = field(repr=False)
    ca_chain_pem: str
    zone_key: str = field(repr=False)
    bridges: list[str]
    issued_jsonl: str
    settings_json: str


def write_backup(contents: BackupContents, passphrase: str, *, now: datetime) -> bytes:
    """Return the backup file. It states `now` as its time, whatever the contents say.

    A passphrase that is too easy to guess is refused with WeakPassphrase.
    """
    passphrases.check_passphrase(passphrase)
    signer = _signer(contents)
    salt, nonce = os.urandom(_SALT_SIZE), os.urandom(_NONCE_SIZE)
    manifest = Manifest(
        zone=contents.zone,
        zone_name=contents.zone_name,
        ca_subject=describe(signer).subject,
        ca_sha256=digest(signer),
        created=now.replace(microsecond=0),
        n=N,
        salt=salt,
        nonce=nonce,
    )
    head = archive.write_manifest(manifest)
    body = archive.write_zip(_members(contents))
    sealed = AESGCM(_derive(passphrase, manifest)).encrypt(nonce, body, head)
    return archive.write_zip({archive.MANIFEST: head, archive.PAYLOAD: sealed})


def read_backup(data: bytes, passphrase: str) -> BackupContents:
    """Open a backup, or raise CannotOpen: wrong passphrase and tampering are not told apart."""
    head, sealed = archive.read_outer(data)
    try:
        manifest = archive.read_manifest(head)
        body = AESGCM(_derive(passphrase, manifest)).decrypt(manifest.nonce, sealed, head)
    except (InvalidTag, ValueError):
        raise CannotOpen(_CANNOT_OPEN, action="Try the passphrase again.") from None
    contents = _contents(manifest, archive.read_inner(body))
    try:
        is_whole = digest(_signer(contents)) == manifest.ca_sha256
    except PkiFault:
        is_whole = False
    if not is_whole:
        raise CannotOpen("The backup opens, but its key is not that of the CA it names.")
    return contents


def peek_backup(data: bytes) -> Manifest:
    """Return what a backup says of itself. Nothing of it is proved before it is opened."""
    head, _ = archive.read_outer(data)
    try:
        return archive.read_manifest(head)
    except ValueError:
        raise CannotOpen(_CANNOT_OPEN) from None


def _derive(passphrase: str, manifest: Manifest) -> bytes:
    """Return the key. One at a time: each takes up to 256 MiB."""
    secret = passphrases.encoded(passphrase)
    with _ONE_AT_A_TIME:
        return hashlib.scrypt(
            secret,
            salt=manifest.salt,
            n=manifest.n,
            r=archive.R,
            p=archive.P,
            maxmem=_MAX_MEMORY,
            dklen=32,
        )


def _signer(contents: BackupContents) -> str:
    """Return the certificate of the chain that the key belongs to, a root before a bridge."""
    own = [
        pem
        for pem in chains.split(contents.ca_chain_pem)
        if keys.same_key(contents.ca_key_pem, pem)
    ]
    if not own:
        raise WrongKey("The CA key is not that of the CA certificate.")
    return next((pem for pem in own if chains.is_root(pem)), own[0])


def _members(contents: BackupContents) -> dict[str, bytes]:
    texts = {
        "ca-key.pem": contents.ca_key_pem,
        "ca-chain.pem": contents.ca_chain_pem,
        "zone-signing-key.pem": protection_zone_key.to_pem(contents.zone_key),
        "issued.jsonl": contents.issued_jsonl,
        "settings.json": contents.settings_json,
        "README.txt": archive.README,
    }
    for number, bridge in enumerate(contents.bridges, 1):
        texts[f"cross/{number:02}.pem"] = bridge
    return {name: text.encode("utf-8") for name, text in texts.items()}


def _contents(manifest: Manifest, members: dict[str, str]) -> BackupContents:
    try:
        return BackupContents(
            zone=manifest.zone,
            zone_name=manifest.zone_name,
            created=manifest.created,
            ca_key_pem=members["ca-key.pem"],
            ca_chain_pem=members["ca-chain.pem"],
            zone_key=protection_zone_key.from_pem(members["zone-signing-key.pem"]),
            bridges=[members[name] for name in sorted(members) if name.startswith("cross/")],
            issued_jsonl=members["issued.jsonl"],
            settings_json=members["settings.json"],
        )
    except (KeyError, PkiFault):
        raise CannotOpen(_CANNOT_OPEN) from None
