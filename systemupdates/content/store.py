"""The content store of this Primary Server: files addressed by their SHA-256."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from faults import Unavailable
from wire.metadata import ManifestFile, sha256

DIGEST = re.compile(r"[0-9a-f]{64}")


class ContentStoreUnavailable(Unavailable):
    """The content store cannot be written. No part of the file is kept."""

    action = gettext_lazy(
        "Free up disk space on this server or correct the permissions of its "
        "data directory. The console retries automatically."
    )


def get_folder() -> Path:
    """Return the content directory of this server, which its agent serves to other agents."""
    return Path(settings.SERVER_HOME) / "content"


def store_file(name: str, data: bytes) -> ManifestFile:
    """Store a file atomically under its digest and return its manifest entry.

    Raises ContentStoreUnavailable.
    """
    digest = sha256(data)
    path = get_folder() / digest
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise ContentStoreUnavailable(
            _("The update content cannot be stored: %(strerror)s.") % {"strerror": error.strerror}
        ) from error
    return ManifestFile(name=name, sha256=digest, size=len(data))


def find_file(digest: str) -> Path | None:
    """Return the path of the file with this digest, None if this server does not have it."""
    if not DIGEST.fullmatch(digest):
        return None
    path = get_folder() / digest
    return path if path.is_file() else None
