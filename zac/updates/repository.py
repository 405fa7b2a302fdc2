"""The remint repository: folders in which an administrator places a certificate and its key.

See: manual 1.2.4; D-17, D-168
"""

from __future__ import annotations

import os
from typing import List, Optional

from faults import Fault, Kind
from zac.host import files
from zac.host.host import Host

FOLDER = "remint-repo"
# The folder of the manual. It is used, too, where it exists.
SYSTEM_FOLDER = "/opt/novell/zenworks/remint-repo"
KEY = "key.der"
SUFFIXES = ("der", "cer", "crt", "p7b", "pem", "cert")
CERTIFICATES = tuple("server." + suffix for suffix in SUFFIXES)


class UnreadableRepository(Fault):
    """A file in the remint repository cannot be read, or others could change it."""

    kind = Kind.INVALID
    action = (
        "Make the user of the agent the owner of the folder and its files, and remove the write "
        "permission of other users. The current certificate stays in use."
    )


def list_folders(host: Host) -> List[str]:
    """Return the folders of the repository of this host; the system folder only if it exists."""
    own = host.home.path_to(FOLDER)
    return [SYSTEM_FOLDER, own] if os.path.isdir(SYSTEM_FOLDER) else [own]


def read(host: Host, name: str) -> Optional[bytes]:
    """Return a file that an administrator placed, None if it is missing.

    Raises UnreadableRepository: a key that others can replace must not be used.
    """
    for folder in list_folders(host):
        path = os.path.join(folder, name)
        try:
            data = files.read(path)
            if data is None:
                continue
            _check_owner(folder)
        except OSError as error:
            raise UnreadableRepository("Cannot read %s: %s." % (path, error.strerror)) from error
        return data
    return None


def read_certificate(host: Host) -> Optional[bytes]:
    """Return the certificate that an administrator placed, None if it is missing."""
    return next(filter(None, (read(host, name) for name in CERTIFICATES)), None)


def delete_files(host: Host) -> None:
    """Delete the key and the certificate of an administrator after the activation."""
    for folder in list_folders(host):
        for name in (KEY, *CERTIFICATES):
            try:
                files.remove(os.path.join(folder, name))
            except OSError as error:
                host.log_event("not-deleted", path=folder, reason=str(error.strerror))


def _check_owner(folder: str) -> None:
    status = os.stat(folder)
    is_ours = status.st_uid in (0, os.geteuid())
    if not is_ours or status.st_mode & 0o022:
        raise UnreadableRepository("Other users can change the files in %s." % folder)
