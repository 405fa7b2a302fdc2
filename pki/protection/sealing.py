"""Seal secrets to a server's vault key (HPKE, RFC 9180) and keep private files."""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pki.errors import CannotOpen, UnsafeFile, WrongKey

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PREFIX = "zcc-sealed-1:"
_INFO = b"zcc sealed 1\0"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class VaultKey:
    """A key pair that secrets are sealed to: raw X25519 keys in base64."""

    private: str = field(repr=False)
    public: str


def make_vault_key() -> VaultKey:
    """Return a new vault key."""
    return _vault_key(x25519.X25519PrivateKey.generate())


def keep_vault_key(private: str | os.PathLike[str], public: str | os.PathLike[str]) -> str:
    """Make a vault key in these two files unless it is there; returns the public half.

    The public file is written last: once it is there, the private one need not be readable here.
    """
    public = Path(public)
    if public.exists():
        return public.read_text(encoding="utf-8")
    if not Path(private).exists():
        write_private_file(private, make_vault_key().private)
    found = public_of(read_private_file(private))
    written = public.with_name(f"{public.name}.new")
    written.write_text(found, encoding="utf-8")
    written.replace(public)
    return found


def derive_vault_key(secret: bytes, *, purpose: str) -> VaultKey:
    """Return the vault key that all who hold a secret of 32 bytes have for one purpose.

    HKDF (RFC 5869) keeps it apart from every other use of the secret.
    """
    hkdf = HKDF(hashes.SHA256(), 32, salt=None, info=_info(f"vault key|{purpose}"))
    return _vault_key(x25519.X25519PrivateKey.from_private_bytes(hkdf.derive(secret)))


def _vault_key(key: x25519.X25519PrivateKey) -> VaultKey:
    return VaultKey(
        private=_encoded(key.private_bytes_raw()),
        public=_encoded(key.public_key().public_bytes_raw()),
    )


def public_of(private: str) -> str:
    """Return the public half of a vault key, or raise WrongKey."""
    try:
        key = x25519.X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
    except ValueError:  # without the cause: nothing about keys goes into a log
        raise WrongKey("The private vault key cannot be read.") from None
    return _encoded(key.public_key().public_bytes_raw())


def seal(plaintext: bytes, *, to: str, binding: str) -> str:
    """Seal to a public vault key. `binding` names the row and field that the blob belongs to.

    Each blob has a fresh key of its own. Moved to another place it does not open.
    """
    try:
        key = x25519.X25519PublicKey.from_public_bytes(base64.b64decode(to, validate=True))
    except ValueError as error:
        raise WrongKey("The public vault key cannot be read.") from error
    return _PREFIX + _encoded(_SUITE.encrypt(plaintext, key, info=_info(binding)))


def open_sealed(blob: str, *, private: str, binding: str) -> bytes:
    """Open what was sealed to this vault key under this binding, or raise CannotOpen."""
    try:
        version, sealed_text = blob[: len(_PREFIX)], blob[len(_PREFIX) :]
        info = _info(binding) if version == _PREFIX else b""  # no other version opens
        key = x25519.X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
        sealed = base64.b64decode(sealed_text, validate=True)
        return _SUITE.decrypt(sealed, key, info=info)
    except Exception:  # without the cause: nothing about keys goes into a log
        raise CannotOpen(
            "The sealed secret cannot be opened: it is damaged, sealed to another key, or was"
            " moved from another place."
        ) from None


def write_private_file(path: str | os.PathLike[str], text: str) -> None:
    """Write a new file that its owner alone can read, and see it to the disk.

    An existing file is never overwritten.
    """
    path = Path(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise UnsafeFile(f"{path} exists already. It was not overwritten.") from None
    except OSError as error:
        raise UnsafeFile(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_private_file(path: str | os.PathLike[str]) -> str:
    """Return a file that its owner alone can read; UnsafeFile where anyone else could."""
    path = Path(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnsafeFile(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        _refuse_unsafe(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read().decode("utf-8")
    except ValueError:
        raise UnsafeFile(f"{path} is not a text file.") from None
    finally:
        os.close(handle)


def _refuse_unsafe(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{path} is not an ordinary file.")
    if found.st_uid != os.geteuid():
        raise UnsafeFile(
            f"{path} belongs to another user.",
            action=f"Make the user that runs this process (uid {os.geteuid()}) its owner.",
        )
    if found.st_mode & _OTHERS:
        raise UnsafeFile(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}).",
            action=f"Run: chmod 600 {path}",
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _info(binding: str) -> bytes:
    return _INFO + binding.encode("utf-8")


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
