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
from wire.metadata import File, sha256

DIGEST = re.compile(r"[0-9a-f]{64}")


class NoRoom(Unavailable):
    """The content store cannot be written; nothing of the file is kept."""

    action = gettext_lazy(
        "Free space on this server, or correct the rights of its home; it is tried again."
    )


def folder() -> Path:
    """Return where this server keeps content; its agent's depot serves the same folder."""
    return Path(settings.SERVER_HOME) / "content"


def put(name: str, data: bytes) -> File:
    """Store bytes under their digest, whole or not at all, and return their manifest entry."""
    digest = sha256(data)
    path = folder() / digest
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
        raise NoRoom(
            _("The content of the update cannot be stored: %(strerror)s.")
            % {"strerror": error.strerror}
        ) from error
    return File(name=name, sha256=digest, size=len(data))


def find(digest: str) -> Path | None:
    """Return the file of a digest, None where this server does not hold it."""
    if not DIGEST.fullmatch(digest):
        return None
    path = folder() / digest
    return path if path.is_file() else None
