"""Encrypt secrets for the vault key of a server (HPKE, RFC 9180), and read private files."""

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

from faults.texts import gettext as _
from pki.errors import CannotOpen, UnsafeFile, WrongKey

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PREFIX = "zcc-sealed-1:"
_INFO = b"zcc sealed 1\0"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class VaultKey:
    """A key pair that secrets are encrypted for: raw X25519 keys in Base64."""

    private: str = field(repr=False)
    public: str


def generate_vault_key() -> VaultKey:
    """Return a new vault key."""
    return _build_vault_key(x25519.X25519PrivateKey.generate())


def load_or_create_vault_key(
    private: str | os.PathLike[str], public: str | os.PathLike[str]
) -> str:
    """Return the public vault key, and create both key files if they do not exist.

    The public file is written last. If it exists, the private file is not read.
    """
    public = Path(public)
    if public.exists():
        return public.read_text(encoding="utf-8")
    if not Path(private).exists():
        write_private_file(private, generate_vault_key().private)
    found = get_public_key(read_private_file(private))
    written = public.with_name(f"{public.name}.new")
    written.write_text(found, encoding="utf-8")
    written.replace(public)
    return found


def derive_vault_key(secret: bytes, *, purpose: str) -> VaultKey:
    """Return the vault key derived from a 32-byte secret for one purpose, with HKDF (RFC 5869)."""
    hkdf = HKDF(hashes.SHA256(), 32, salt=None, info=_build_info(f"vault key|{purpose}"))
    return _build_vault_key(x25519.X25519PrivateKey.from_private_bytes(hkdf.derive(secret)))


def _build_vault_key(key: x25519.X25519PrivateKey) -> VaultKey:
    return VaultKey(
        private=_encode(key.private_bytes_raw()),
        public=_encode(key.public_key().public_bytes_raw()),
    )


def get_public_key(private: str) -> str:
    """Return the public key of a private vault key, or raise WrongKey."""
    try:
        key = x25519.X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
    except ValueError:  # without the cause: nothing about keys goes into a log
        raise WrongKey(_("The private vault key cannot be parsed.")) from None
    return _encode(key.public_key().public_bytes_raw())


def seal(plaintext: bytes, *, to: str, binding: str) -> str:
    """Encrypt a secret for a public vault key, with a new ephemeral key each time.

    `binding` names the row and field of the secret. It cannot be decrypted in another place.
    """
    try:
        key = x25519.X25519PublicKey.from_public_bytes(base64.b64decode(to, validate=True))
    except ValueError as error:
        raise WrongKey(_("The public vault key cannot be parsed.")) from error
    return _PREFIX + _encode(_SUITE.encrypt(plaintext, key, info=_build_info(binding)))


def open_sealed(blob: str, *, private: str, binding: str) -> bytes:
    """Decrypt a secret with the private vault key and its binding, or raise CannotOpen."""
    try:
        version, sealed_text = blob[: len(_PREFIX)], blob[len(_PREFIX) :]
        info = _build_info(binding) if version == _PREFIX else b""  # fails for other versions
        key = x25519.X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
        sealed = base64.b64decode(sealed_text, validate=True)
        return _SUITE.decrypt(sealed, key, info=info)
    except Exception:  # without the cause: nothing about keys goes into a log
        raise CannotOpen(
            _(
                "The secret cannot be decrypted. It is damaged, encrypted with a different "
                "key, or was copied from another location."
            )
        ) from None


def write_private_file(path: str | os.PathLike[str], text: str) -> None:
    """Write a new file that only its owner can access, and sync it to disk.

    Raises UnsafeFile if the file exists.
    """
    path = Path(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise UnsafeFile(
            _("%(path)s already exists and was not overwritten.") % {"path": path}
        ) from None
    except OSError as error:
        raise UnsafeFile(
            _("Cannot write %(path)s: %(reason)s.") % {"path": path, "reason": error.strerror}
        ) from error
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
    """Return the text of a private file, or raise UnsafeFile if other users can access it."""
    path = Path(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnsafeFile(
            _("Cannot open %(path)s: %(reason)s.") % {"path": path, "reason": error.strerror}
        ) from error
    try:
        _check_safe(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read().decode("utf-8")
    except ValueError:
        raise UnsafeFile(_("%(path)s is not a text file.") % {"path": path}) from None
    finally:
        os.close(handle)


def _check_safe(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(_("%(path)s is not a regular file.") % {"path": path})
    if found.st_uid != os.geteuid():
        raise UnsafeFile(
            _("%(path)s belongs to another user.") % {"path": path},
            action=(
                _("Change the owner of the file to the user that runs this process (uid %(uid)s).")
                % {"uid": os.geteuid()}
            ),
        )
    if found.st_mode & _OTHERS:
        raise UnsafeFile(
            _("%(path)s is accessible to other users (mode %(mode)s).")
            % {"path": path, "mode": f"{stat.S_IMODE(found.st_mode):04o}"},
            action=_("Run: chmod 600 %(path)s") % {"path": path},
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _build_info(binding: str) -> bytes:
    return _INFO + binding.encode("utf-8")


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
