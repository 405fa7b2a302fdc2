"""The settings of backups, and the folders that they use.

They come from the environment of the worker. A web process cannot change where a backup is stored,
or who can decrypt it (D-196).
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from faults import Conflict, Unavailable
from pki.backup import recipients
from pki.protection import sealing
from wire import server_files

DRILL_KEY = "backup-drill.key"
WORK_FOLDER = "backup-work"
LOCK_FILE = "backup.lock"


class NotConfigured(Unavailable):
    """The server does not create backups."""

    action = gettext_lazy(
        "Set ZCC_BACKUP_DIRECTORY and ZCC_BACKUP_RECIPIENT for the worker of this server, and for "
        "this command."
    )


@dataclass(frozen=True)
class Configuration:
    """Where backups are stored, for whom they are encrypted, and how many are kept."""

    directory: Path
    recipient: str
    keep: int


def is_configured() -> bool:
    """Return True if this server creates backups."""
    return bool(settings.BACKUP_DIRECTORY and settings.BACKUP_RECIPIENT)


def check_configured() -> None:
    """Raise NotConfigured unless this server creates backups."""
    if not is_configured():
        raise NotConfigured(_("Backups are not configured on this server."))


def get_configuration() -> Configuration:
    """Return the settings of backups. Raises WrongKey if the recipient is not valid."""
    recipient = settings.BACKUP_RECIPIENT.strip()
    recipients.check_recipient(recipient)
    return Configuration(Path(settings.BACKUP_DIRECTORY), recipient, settings.BACKUP_KEEP)


def get_drill_key_path() -> Path:
    """Return the path of the private drill key, next to the CA vault key of this server."""
    return server_files.ca_vault_key_path(settings.SERVER_HOME).with_name(DRILL_KEY)


def read_drill_identity() -> str:
    """Return the drill identity of this server. Raises UnsafeFile if it cannot be read."""
    return sealing.read_private_file(get_drill_key_path())


def load_or_create_drill_recipient() -> str:
    """Return the recipient of the drill key of this server, which is created if it is missing."""
    path = get_drill_key_path()
    if not path.exists():
        sealing.write_private_file(path, recipients.generate_identity())
    return recipients.get_recipient(read_drill_identity())


@contextmanager
def open_work_folder() -> Iterator[Path]:
    """Yield an empty private folder for one backup or drill of this server.

    It is next to the CA vault key, because it contains a copy, which web processes must not read.
    Raises Conflict if another process uses it. What a killed process left is deleted.
    """
    home = get_drill_key_path().parent
    with (home / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                _("A backup or a drill is in progress on this server. Nothing was changed."),
                action=_("Wait until it is complete, then try again."),
            ) from None
        folder = home / WORK_FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
