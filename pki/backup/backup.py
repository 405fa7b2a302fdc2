"""The CA backup: a zip file of two members, encrypted with a passphrase.

`payload.enc` is an inner zip file, encrypted with AES-256-GCM. The key is derived with scrypt
(RFC 7914). `manifest.json` is canonical JSON and the associated data of the encryption. A backup
can also be decrypted with openssl alone.

See: docs/decisions.md D-30, D-31
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki import keys
from pki.backup import archive, passphrases
from pki.backup.archive import Manifest
from pki.certificates.details import get_details, get_digest
from pki.chains import chains
from pki.errors import CannotOpen, PkiFault, UnreadableBackup, WrongKey
from pki.protection import second_key as protection_second_key
from pki.protection import zone_key as protection_zone_key

__all__ = ["BackupContents", "Manifest", "read_backup", "read_backup_manifest", "write_backup"]

SCRYPT_N = 2**17  # about a second and 128 MiB
_SALT_SIZE = 16
_NONCE_SIZE = 12
_MAX_MEMORY = 320 * 1024 * 1024
_KDF_LOCK = threading.Lock()

_CANNOT_OPEN = gettext_noop(
    "The backup cannot be decrypted. The passphrase is incorrect, or the file has been modified."
)

_NOT_CREATED = gettext_noop(
    "The backup was not created, because Restore CA would reject it: it is too large, or it has "
    "too many parts."
)


@dataclass(frozen=True)
class BackupContents:
    """Everything that another server needs to take over the CA."""

    zone: str
    zone_name: str
    created: datetime
    ca_key_pem: str = field(repr=False)
    ca_chain_pem: str
    zone_key: str = field(repr=False)
    cross_certificates: list[str]
    issued_jsonl: str
    """Issued certificates, one JSON object a line, at most `archive.MAX_ISSUED` bytes."""
    settings_json: str
    second_key: str = field(repr=False, default="")
    """The second zone key, "" if the zone has none."""


def write_backup(contents: BackupContents, passphrase: str, *, now: datetime) -> bytes:
    """Return the backup file, created at `now`.

    Raises WeakPassphrase for a weak passphrase, and UnreadableBackup if `read_backup` would reject
    the file.
    """
    passphrases.check_passphrase(passphrase)
    signer = _get_ca_certificate(contents)
    salt, nonce = os.urandom(_SALT_SIZE), os.urandom(_NONCE_SIZE)
    manifest = Manifest(
        zone=contents.zone,
        zone_name=contents.zone_name,
        ca_subject=get_details(signer).subject,
        ca_sha256=get_digest(signer),
        created=now.replace(microsecond=0),
        n=SCRYPT_N,
        salt=salt,
        nonce=nonce,
    )
    head = archive.serialize_manifest(manifest)
    body = archive.write_zip(_serialize_contents(contents))
    sealed = AESGCM(_derive_key(passphrase, manifest)).encrypt(nonce, body, head)
    data = archive.write_zip({archive.MANIFEST: head, archive.PAYLOAD: sealed})
    _check_readable(data, body, contents)
    return data


def _check_readable(data: bytes, body: bytes, contents: BackupContents) -> None:
    """Raise UnreadableBackup unless the contents can be read back from a backup file.

    `body` is its payload, which is not decrypted again.
    """
    try:
        head, _sealed = archive.read_outer(data)
        found = _parse_contents(archive.parse_manifest(head), archive.read_inner(body))
    except (PkiFault, ValueError) as fault:
        raise UnreadableBackup(_(_NOT_CREATED)) from fault
    if replace(found, created=contents.created) != contents:
        raise UnreadableBackup(_(_NOT_CREATED))


def read_backup(data: bytes, passphrase: str) -> BackupContents:
    """Decrypt a backup, or raise CannotOpen if the passphrase is wrong or the file was modified."""
    head, sealed = archive.read_outer(data)
    try:
        manifest = archive.parse_manifest(head)
        body = AESGCM(_derive_key(passphrase, manifest)).decrypt(manifest.nonce, sealed, head)
    except (InvalidTag, ValueError):
        raise CannotOpen(_(_CANNOT_OPEN), action=_("Enter the passphrase again.")) from None
    contents = _parse_contents(manifest, archive.read_inner(body))
    try:
        is_whole = get_digest(_get_ca_certificate(contents)) == manifest.ca_sha256
    except PkiFault:
        is_whole = False
    if not is_whole:
        raise CannotOpen(_("The private key in the backup does not match the CA certificate."))
    return contents


def read_backup_manifest(data: bytes) -> Manifest:
    """Return the manifest of a backup. It is not authenticated until the backup is decrypted."""
    head, _rest = archive.read_outer(data)
    try:
        return archive.parse_manifest(head)
    except ValueError:
        raise CannotOpen(_(_CANNOT_OPEN)) from None


def _derive_key(passphrase: str, manifest: Manifest) -> bytes:
    """Return the encryption key. Only one is derived at a time, because each takes 256 MiB."""
    secret = passphrases.encode_passphrase(passphrase)
    with _KDF_LOCK:
        return hashlib.scrypt(
            secret,
            salt=manifest.salt,
            n=manifest.n,
            r=archive.SCRYPT_R,
            p=archive.SCRYPT_P,
            maxmem=_MAX_MEMORY,
            dklen=32,
        )


def _get_ca_certificate(contents: BackupContents) -> str:
    """Return the CA certificate for the key, preferably a root, or raise WrongKey."""
    own = [
        pem
        for pem in chains.split(contents.ca_chain_pem)
        if keys.is_same_key(contents.ca_key_pem, pem)
    ]
    if not own:
        raise WrongKey(_("The CA key does not match the CA certificate."))
    return next((pem for pem in own if chains.is_root(pem)), own[0])


def _serialize_contents(contents: BackupContents) -> dict[str, bytes]:
    texts = {
        "ca-key.pem": contents.ca_key_pem,
        "ca-chain.pem": contents.ca_chain_pem,
        "zone-signing-key.pem": protection_zone_key.to_pem(contents.zone_key),
        "issued.jsonl": contents.issued_jsonl,
        "settings.json": contents.settings_json,
        "README.txt": archive.README,
    }
    if contents.second_key:
        texts["zone-second-key.pem"] = protection_second_key.to_pem(contents.second_key)
    for number, pem in enumerate(contents.cross_certificates, 1):
        texts[f"cross/{number:02}.pem"] = pem
    return {name: text.encode("utf-8") for name, text in texts.items()}


def _parse_contents(manifest: Manifest, members: dict[str, str]) -> BackupContents:
    try:
        return BackupContents(
            zone=manifest.zone,
            zone_name=manifest.zone_name,
            created=manifest.created,
            ca_key_pem=members["ca-key.pem"],
            ca_chain_pem=members["ca-chain.pem"],
            zone_key=protection_zone_key.from_pem(members["zone-signing-key.pem"]),
            cross_certificates=[
                members[name] for name in sorted(members) if name.startswith("cross/")
            ],
            issued_jsonl=members["issued.jsonl"],
            settings_json=members["settings.json"],
            second_key=_parse_second_key(members.get("zone-second-key.pem", "")),
        )
    except (KeyError, PkiFault):
        raise CannotOpen(_(_CANNOT_OPEN)) from None


def _parse_second_key(pem: str) -> str:
    """Return the second zone key. Backups of earlier versions have none."""
    return protection_second_key.from_pem(pem) if pem else ""
