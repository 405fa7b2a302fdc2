"""Publish files under /zenworks-setup/ on this server, with SHA-256 and zone key signature.

The console sends them over TLS, the content server over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from devices.identity import zone_keys
from wire.metadata import sha256

CHECKSUM, SIGNATURE, SECOND_SIGNATURE = ".sha256", ".sig", ".sig2"


@dataclass(frozen=True)
class PublishedFile:
    """A file to download. `signature` is Base64."""

    name: str
    sha256: str
    signature: str
    size: int


def get_folder() -> Path:
    """Return the directory of the files under /zenworks-setup/."""
    return Path(settings.SERVER_HOME) / "setup"


def publish_file(name: str, data: bytes, payload_type: str, *, mode: int = 0o644) -> None:
    """Write a file, its SHA-256, and its signatures. Each appears completely or not at all."""
    signed = zone_keys.get_keyring().sign_without_entry(payload_type, data)
    parts = {
        f"{name}{CHECKSUM}": f"{sha256(data)}  {name}\n".encode(),
        f"{name}{SIGNATURE}": f"{signed.signature}\n".encode(),
        name: data,
    }
    if signed.second_signature:
        parts[f"{name}{SECOND_SIGNATURE}"] = f"{signed.second_signature}\n".encode()
    get_folder().mkdir(mode=0o755, parents=True, exist_ok=True)
    for file, value in parts.items():
        write_atomically(file, value, mode=mode if file == name else 0o644)


def write_atomically(name: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write one file of the directory. It appears completely or not at all."""
    partial = get_folder() / f".{name}.part"
    partial.write_bytes(data)
    partial.chmod(mode)
    partial.replace(get_folder() / name)


def has_second_signature(name: str) -> bool:
    """Return True if a published file has both signatures, or the zone has one key only."""
    return bool(
        not zone_keys.get_keyring().second_key
        or (get_folder() / f"{name}{SECOND_SIGNATURE}").is_file()
    )


def read_second_signature(name: str) -> str:
    """Return the second signature of a published file, "" if the zone has one key only."""
    path = get_folder() / f"{name}{SECOND_SIGNATURE}"
    return path.read_text().strip() if path.is_file() else ""


def withdraw_file(name: str) -> None:
    """Remove a file, its SHA-256, and its signatures."""
    for file in (name, *(f"{name}{suffix}" for suffix in (CHECKSUM, SIGNATURE, SECOND_SIGNATURE))):
        (get_folder() / file).unlink(missing_ok=True)


def list_names(patterns: Iterable[str]) -> list[str]:
    """Return the names of the published files that match one of some patterns."""
    found = {path.name for pattern in patterns for path in get_folder().glob(pattern)}
    return sorted(name for name in found if (get_folder() / name).is_file())


def read_file(name: str) -> PublishedFile:
    """Return what is published about a file. Raises OSError if a part of it is missing."""
    folder = get_folder()
    return PublishedFile(
        name,
        (folder / f"{name}{CHECKSUM}").read_text().split(" ")[0],
        (folder / f"{name}{SIGNATURE}").read_text().strip(),
        (folder / name).stat().st_size,
    )
