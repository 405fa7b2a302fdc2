"""The zip files and the manifest of a CA backup.

Sizes are checked before anything is read. Only the member names listed here are accepted, and
no member is extracted to disk.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.errors import BadBackup, CannotOpen

MANIFEST = "manifest.json"
PAYLOAD = "payload.enc"
MAX_MANIFEST = 16 * 1024
MAX_PAYLOAD = 8 * 1024 * 1024
MAX_FILE = MAX_MANIFEST + MAX_PAYLOAD + 4096
# The list of issued certificates, of about 25,000. The other half is more than all keys and
# certificates need.
MAX_ISSUED = MAX_PAYLOAD // 2

NOT_A_BACKUP = gettext_noop("The file is not a CA backup, or it is incomplete.")

SCRYPT_R, SCRYPT_P = 8, 1
ALLOWED_SCRYPT_N = (2**15, 2**16, 2**17, 2**18)
_FORMAT = "zcc-ca-backup"
_CIPHER = "AES-256-GCM"
_SALT_SIZES = range(16, 65)
_NONCE_SIZE = 12
_MAX_INNER = 64
_INNER = re.compile(
    r"ca-key\.pem|ca-chain\.pem|zone-signing-key\.pem|zone-second-key\.pem|issued\.jsonl|settings\.json|README\.txt"
    r"|cross/[0-9]{2}\.pem"
)
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)

README = """\
A backup of the certificate authority of a zone, opened.

To open one with openssl 3 alone: salt (S) and nonce (NONCE), both hexadecimal, and n are in
manifest.json. GCM is CTR from counter 2, with 16 octets of tag at the end:

  K=$(openssl kdf -keylen 32 -kdfopt pass:PASSPHRASE -kdfopt hexsalt:$S -kdfopt n:131072 \\
      -kdfopt r:8 -kdfopt p:1 -kdfopt maxmem_bytes:335544320 SCRYPT | tr -d ':\\n')
  head -c -16 payload.enc \\
      | openssl enc -d -aes-256-ctr -K $K -iv ${NONCE}00000002 -out inner.zip

openssl does not check the tag: compare ca_sha256 of manifest.json with the SHA-256 of the CA
certificate (openssl x509 -in ca-chain.pem -noout -fingerprint -sha256).

issued.jsonl lists the newest issued certificates that have not expired, at most 4 MiB (about
25,000). It is for your information: Restore CA does not need it.
"""


@dataclass(frozen=True)
class Manifest:
    """The part of a backup that is readable without the passphrase."""

    zone: str
    zone_name: str
    ca_subject: str
    ca_sha256: str
    created: datetime
    n: int
    salt: bytes
    nonce: bytes


def serialize_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as canonical JSON: sorted keys, no spaces, ASCII."""
    return _serialize_json(
        {
            "format": _FORMAT,
            "version": 1,
            "zone": manifest.zone,
            "zone_name": manifest.zone_name,
            "ca_subject": manifest.ca_subject,
            "ca_sha256": manifest.ca_sha256,
            "created": manifest.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "kdf": {
                "name": "scrypt",
                "n": manifest.n,
                "r": SCRYPT_R,
                "p": SCRYPT_P,
                "salt": manifest.salt.hex(),
            },
            "cipher": {"name": _CIPHER, "nonce": manifest.nonce.hex()},
        }
    )


def parse_manifest(head: bytes) -> Manifest:
    """Return a manifest, or raise ValueError unless it is as written by serialize_manifest.

    This limits the memory for scrypt to 256 MiB.
    """
    try:
        found: Any = json.loads(head)
        manifest = Manifest(
            zone=_check_text(found["zone"]),
            zone_name=_check_text(found["zone_name"]),
            ca_subject=_check_text(found["ca_subject"]),
            ca_sha256=_check_text(found["ca_sha256"]),
            created=datetime.strptime(found["created"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
            n=found["kdf"]["n"],
            salt=bytes.fromhex(found["kdf"]["salt"]),
            nonce=bytes.fromhex(found["cipher"]["nonce"]),
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a manifest") from error
    in_bounds = (
        type(manifest.n) is int
        and manifest.n in ALLOWED_SCRYPT_N
        and len(manifest.salt) in _SALT_SIZES
        and len(manifest.nonce) == _NONCE_SIZE
    )
    if not in_bounds or serialize_manifest(manifest) != head:
        raise ValueError("not a manifest of this version")
    return manifest


def write_zip(members: dict[str, bytes]) -> bytes:
    """Return a zip file with uncompressed members and a fixed date."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content)
    return target.getvalue()


def read_outer(data: bytes) -> tuple[bytes, bytes]:
    """Return the manifest and the payload of a backup file, or raise BadBackup."""
    if len(data) > MAX_FILE:
        raise BadBackup(_("The file is too large to be a CA backup."))
    members = _read_members(data, {MANIFEST: MAX_MANIFEST, PAYLOAD: MAX_PAYLOAD})
    if members.keys() != {MANIFEST, PAYLOAD}:
        raise BadBackup(_(NOT_A_BACKUP))
    return members[MANIFEST], members[PAYLOAD]


def read_inner(body: bytes) -> dict[str, str]:
    """Return the members of the decrypted payload as text, or raise CannotOpen."""
    try:
        names = zipfile.ZipFile(io.BytesIO(body)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise CannotOpen(_("The backup is damaged.")) from error
    if len(names) > _MAX_INNER or not all(_INNER.fullmatch(name) for name in names):
        raise CannotOpen(_("The file does not contain a CA backup."))
    members = _read_members(body, dict.fromkeys(names, MAX_PAYLOAD))
    try:
        return {name: content.decode("utf-8") for name, content in members.items()}
    except UnicodeDecodeError as error:
        raise CannotOpen(_("The backup is damaged.")) from error


def _read_members(data: bytes, limits: dict[str, int]) -> dict[str, bytes]:
    """Return the members of a zip file, or raise BadBackup.

    Each member must be in `limits`, occur once, be uncompressed, and not exceed its limit.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = file.infolist()
            expected = len({entry.filename for entry in entries}) == len(entries) and all(
                _is_stored(entry, limits.get(entry.filename, -1)) for entry in entries
            )
            members = {entry.filename: file.read(entry) for entry in entries if expected}
    except Exception as error:  # zipfile raises many types of errors for hostile files
        raise BadBackup(_(NOT_A_BACKUP)) from error
    if not members:
        raise BadBackup(_(NOT_A_BACKUP))
    return members


def _is_stored(entry: zipfile.ZipInfo, limit: int) -> bool:
    is_stored = entry.compress_type == zipfile.ZIP_STORED
    return is_stored and entry.file_size == entry.compress_size <= limit


def _serialize_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _check_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not valid text")
    return value
