"""Rules for backup passphrases: at least 10 characters and not a common password.

See: manual 1.2.7
"""

from __future__ import annotations

import unicodedata

from faults.texts import gettext as _
from pki.errors import WeakPassphrase

MIN_LENGTH = 10
MAX_LENGTH = 1024
_MIN_DIFFERENT = 4

# Entries of the usual lists, without digits and punctuation at the end.
_COMMON = frozenset(
    (
        "1q2w3e4r5t",
        "1qaz2wsx",
        "1qaz2wsx3edc",
        "adminadmin",
        "administrador",
        "administrator",
        "asdfghjkl",
        "asdfghjklp",
        "authentication",
        "backupbackup",
        "basketball",
        "certificate",
        "changeme",
        "changemenow",
        "correcthorsebatterystaple",
        "defaultpassword",
        "iloveyou",
        "iloveyouu",
        "letmeinnow",
        "letmeinplease",
        "liverpool",
        "manchester",
        "masterkey",
        "mypassword",
        "networking",
        "novellnovell",
        "opensesame",
        "p@ssw0rd",
        "p@ssword",
        "passphrase",
        "passw0rd",
        "password",
        "passwordpassword",
        "q1w2e3r4t5",
        "qazwsxedc",
        "qazwsxedcrfv",
        "qwert",
        "qwerty",
        "qwertyqwerty",
        "qwertyui",
        "qwertyuiop",
        "rootroot",
        "secretsecret",
        "startrek",
        "starwars",
        "superman",
        "supervisor",
        "testtest",
        "welcome",
        "whatever",
        "zaq12wsx",
        "zcmadmin",
        "zenworks",
        "zenworkszenworks",
    )
)
_SEQUENCES = ("01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz")
_TRAILING = "0123456789!?.*#$%&+-_@= "


def check_passphrase(passphrase: str) -> None:
    """Raise WeakPassphrase if the passphrase is too short, too long, or too common."""
    text = unicodedata.normalize("NFC", passphrase)
    if len(text) < MIN_LENGTH:
        raise WeakPassphrase(
            _("The passphrase must have at least %(min)s characters.") % {"min": MIN_LENGTH},
            field="passphrase",
        )
    if len(text) > MAX_LENGTH:
        raise WeakPassphrase(_("The passphrase is too long."), field="passphrase")
    plain = text.casefold()
    is_sequence = any(plain in sequence for sequence in _SEQUENCES)
    is_common = plain in _COMMON or plain.rstrip(_TRAILING) in _COMMON
    if is_sequence or is_common or len(set(plain)) < _MIN_DIFFERENT:
        raise WeakPassphrase(_("The passphrase is too common."), field="passphrase")
    encode_passphrase(passphrase)


def encode_passphrase(passphrase: str) -> bytes:
    """Return a passphrase as UTF-8 in Unicode normalization form C, without trimming it."""
    try:
        return unicodedata.normalize("NFC", passphrase[: MAX_LENGTH + 1]).encode("utf-8")
    except UnicodeEncodeError:
        raise WeakPassphrase(
            _("The passphrase contains characters that cannot be encoded."), field="passphrase"
        ) from None
