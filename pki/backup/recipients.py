"""Encrypt files for age recipients (https://age-encryption.org/v1), and decrypt them.

Who has the public recipient can encrypt, but not decrypt. So a file does not prove who wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyrage
from pyrage import ssh, x25519

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.errors import CannotOpen, WrongKey

_FORMATS = gettext_noop(
    "Use a line from age-keygen (age1...), or an ssh-ed25519 or ssh-rsa public key."
)


def generate_identity() -> str:
    """Return a new private age identity (AGE-SECRET-KEY-1...)."""
    return str(x25519.Identity.generate())


def get_recipient(identity: str) -> str:
    """Return the public recipient (age1...) of an identity. Raises WrongKey."""
    try:
        return str(x25519.Identity.from_str(identity.strip()).to_public())
    except pyrage.IdentityError:  # without the cause: nothing about keys goes into a log
        raise WrongKey(_("The age identity cannot be parsed.")) from None


def check_recipient(recipient: str) -> None:
    """Raise WrongKey unless files can be encrypted for this recipient."""
    _load_recipient(recipient)


def _load_recipient(recipient: str) -> x25519.Recipient | ssh.Recipient:
    kind = ssh.Recipient if recipient.startswith("ssh-") else x25519.Recipient
    try:
        return kind.from_str(recipient.strip())
    except pyrage.RecipientError as error:
        raise WrongKey(_("The age recipient cannot be parsed."), action=_(_FORMATS)) from error


def encrypt_file(source: Path, target: Path, recipients: Sequence[str]) -> None:
    """Encrypt a file, so that each of the recipients can decrypt it. Raises WrongKey."""
    loaded = [_load_recipient(recipient) for recipient in recipients]
    with source.open("rb") as plain, target.open("wb") as encrypted:
        pyrage.encrypt_io(plain, encrypted, loaded)


def decrypt_file(source: Path, target: Path, identity: str) -> None:
    """Decrypt a file with an identity: age, or an OpenSSH private key without a passphrase.

    Raises WrongKey if the file is not encrypted for it, and CannotOpen if the file is damaged. The
    target can then contain a part of the plain text.
    """
    loaded = _load_identity(identity)
    try:
        with source.open("rb") as encrypted, target.open("wb") as plain:
            pyrage.decrypt_io(encrypted, plain, [loaded])
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise WrongKey(_("The file is not encrypted for this key.")) from None
        raise CannotOpen(_("The file is damaged or not an age file.")) from None
    except OSError as error:
        if error.errno is not None:  # of the file system
            raise
        raise CannotOpen(
            _("The file is damaged: its content was changed or is incomplete.")
        ) from None


def _load_identity(identity: str) -> x25519.Identity | ssh.Identity:
    """Return the identity of a key file. age-keygen writes comments before the key."""
    lines = [line for line in identity.splitlines() if line.strip() and not line.startswith("#")]
    try:
        if lines and lines[0].startswith("AGE-SECRET-KEY-"):
            return x25519.Identity.from_str(lines[0].strip())
        return ssh.Identity.from_buffer(identity.encode())
    except (pyrage.IdentityError, ValueError):
        raise WrongKey(_("The private key cannot be parsed.")) from None
