"""The file of a backup: a tar archive, encrypted with age.

Its first member is the manifest, which is signed with the zone key and contains the SHA-256 digest
of each other member. Who has only the public recipient can encrypt a file, so nothing of a file is
used before the signature and the digests are verified.

`age -d -i KEY FILE | tar x` decrypts it without ZCC.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import IO

from django.utils.translation import gettext as _

from devices.identity import zone_keys
from faults import Refused
from pki.backup import recipients
from pki.errors import CannotOpen
from wire import json_codec
from wire.envelope import Envelope, NotSigned, PublicKeys
from wire.json_codec import Malformed
from wire.records import Record

PAYLOAD_TYPE = "application/vnd.zcc.backup+json"
MANIFEST = "manifest.json"
VERSION = 1
MAX_MANIFEST = 4 * 1024 * 1024
CHUNK = 1024 * 1024
NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_LINK = re.compile(r"(?!.*\.\.)[A-Za-z0-9._-]+")


class Manifest(Record):
    """What a backup contains. `created` is in seconds since 1970.

    `files` are digests (SHA-256) by path, and `links` symbolic links to a name in the same folder.
    """

    version: int
    zone: str
    zone_name: str
    zone_pub: str
    server: str
    server_name: str
    release: str
    created: int
    database: str
    ca_sha256: str
    recipients: list[str]
    files: dict[str, str]
    links: dict[str, str]


def get_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file (hexadecimal)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, manifest: Manifest, target: Path) -> None:
    """Sign the manifest, and write the files of a folder to an encrypted backup.

    The target appears when it is complete. A tar archive is written next to the folder. Raises
    a Fault if `read` would reject the backup.
    """
    envelope = zone_keys.get_keyring().sign_without_entry(PAYLOAD_TYPE, json_codec.dump(manifest))
    head = json_codec.dump(envelope)
    _check_readable(manifest, len(head))
    plain = folder.with_name("backup.tar")
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo(MANIFEST)
        entry.size, entry.mtime, entry.mode = len(head), manifest.created, 0o600
        tar.addfile(entry, io.BytesIO(head))
        for name in manifest.files:
            tar.add(folder / name, name, recursive=False)
    partial = target.with_name(f"{target.name}.part")
    try:
        recipients.encrypt_file(plain, partial, manifest.recipients)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.chmod(0o600)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
        plain.unlink()


def _check_readable(manifest: Manifest, size: int) -> None:
    """Raise a Fault if `read` would reject a manifest of `size` bytes."""
    if size > MAX_MANIFEST:
        raise Refused(
            _("The data directory contains too many files (%d). No backup was created.")
            % len(manifest.files),
            action=_("Move files that do not belong to ZCC to another directory."),
        )
    for name, target in manifest.links.items():
        if not _LINK.fullmatch(target):
            raise Refused(
                _(
                    "The symbolic link %(name)s leads to %(target)s, which is not in the same "
                    "directory. It could not be restored, so no backup was created."
                )
                % {"name": name, "target": target[:200]},
                action=_("Replace the link in the data directory with the file itself."),
            )


def read(source: Path, identity: str, folder: Path, *, zone_pub: str = "") -> Manifest:
    """Decrypt and verify a backup, write its files to a folder, and return its manifest.

    It must be signed with the zone key `zone_pub`. If this is "", the key in the manifest is
    used, and the caller must have it compared. Raises WrongKey, CannotOpen, or NotSigned.
    """
    plain = folder.with_name(f"{folder.name}.tar")
    try:
        recipients.decrypt_file(source, plain, identity)
        with tarfile.open(plain, "r:") as tar:
            return _extract(tar, folder, zone_pub)
    except (tarfile.TarError, EOFError) as error:
        raise CannotOpen(_("The backup is damaged: it is not a complete archive.")) from error
    finally:
        plain.unlink(missing_ok=True)


def _extract(tar: tarfile.TarFile, folder: Path, zone_pub: str) -> Manifest:
    manifest = _read_manifest(tar, zone_pub)
    missing = dict(manifest.files)
    folder.mkdir(mode=0o700, exist_ok=True)
    while (entry := tar.next()) is not None:
        digest, content = missing.pop(entry.name, ""), tar.extractfile(entry)
        if not digest or not entry.isreg() or content is None:
            raise CannotOpen(
                _("The backup is damaged: it contains %s, which is not listed.") % entry.name[:100]
            )
        if _write(content, folder / entry.name) != digest:
            raise CannotOpen(_("The backup is damaged: the digest of %s is wrong.") % entry.name)
    if missing:
        raise CannotOpen(_("The backup is damaged: %s is missing.") % min(missing))
    for name, target in manifest.links.items():
        (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    return manifest


def _read_manifest(tar: tarfile.TarFile, zone_pub: str) -> Manifest:
    """Return the manifest, the first member, after verifying its signature."""
    entry = tar.next()
    content = tar.extractfile(entry) if entry is not None and entry.isreg() else None
    if entry is None or content is None or entry.name != MANIFEST or entry.size > MAX_MANIFEST:
        raise CannotOpen(_("The backup is damaged: it has no manifest."))
    try:
        envelope = json_codec.load(Envelope, content.read())
        claimed = json_codec.load(Manifest, base64.b64decode(envelope.payload, validate=True))
        envelope.verify(PublicKeys(zone_pub or claimed.zone_pub), PAYLOAD_TYPE)
    except (NotSigned, Malformed, ValueError) as error:
        raise NotSigned(
            _("The backup is not signed with the key of this zone."),
            action=_("It was not used. Treat the directory of the backups as compromised."),
        ) from error
    names = [*claimed.files, *claimed.links, *claimed.links.values()]
    is_known = claimed.version == VERSION and all(map(NAME.fullmatch, names))
    if not is_known or not all(map(_LINK.fullmatch, claimed.links.values())):
        raise CannotOpen(_("The backup was created by another version of ZCC."))
    return claimed


def _write(content: IO[bytes], target: Path) -> str:
    """Write a private file and return its SHA-256 digest (hexadecimal)."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(content, file, CHUNK)
    return get_digest(target)
