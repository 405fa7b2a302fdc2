"""Atomic changes of the agent's files: readers see either the old or the new content.

A file is written under a temporary name, flushed, renamed, and its folder is flushed. All file
changes are in this module, so that tests can stop the process before and after each of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import List, Optional

from faults import Fault, Kind

PRIVATE = 0o600


class NoSpace(Fault):
    """The data directory cannot be written. Its previous content is still in use."""

    kind = Kind.UNAVAILABLE
    action = (
        "Free up disk space or correct the permissions of the agent's "
        "data directory, then run: zac refresh"
    )


def read(path: str) -> Optional[bytes]:
    """Return the content of a file, None if it does not exist."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: str, data: bytes, mode: int = PRIVATE) -> None:
    """Replace a file atomically; raises NoSpace."""
    temporary = path + ".new"
    try:
        _write(temporary, data, os.O_CREAT | os.O_TRUNC, mode)
        os.replace(temporary, path)
        _flush_folder(os.path.dirname(path))
    except OSError as error:
        raise NoSpace("Cannot write %s: %s." % (path, error.strerror)) from error


def append(path: str, data: bytes, *, flush: bool = True) -> None:
    """Append bytes to a file, or none of them; raises NoSpace."""
    size = os.path.getsize(path) if os.path.exists(path) else 0
    try:
        _write(path, data, os.O_CREAT | os.O_APPEND, PRIVATE, flush=flush)
    except OSError as error:
        _remove_part(path, size, data)
        raise NoSpace("Cannot write %s: %s." % (path, error.strerror)) from error


def make_folder(path: str) -> None:
    """Create a folder with mode 0700, unless it exists; raises NoSpace."""
    if not os.path.isdir(path):
        make_folder(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return
        except OSError as error:
            raise NoSpace("Cannot create %s: %s." % (path, error.strerror)) from error
        _flush_folder(os.path.dirname(path))


def set_link(link: str, name: str) -> None:
    """Replace a symbolic link atomically; raises NoSpace."""
    temporary = link + ".new"
    try:
        remove(temporary)
        os.symlink(name, temporary)
        os.replace(temporary, link)
        _flush_folder(os.path.dirname(link))
    except OSError as error:
        raise NoSpace("Cannot write %s: %s." % (link, error.strerror)) from error


def read_link(link: str) -> str:
    """Return the target of a symbolic link, "" if it does not exist."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def list_names(folder: str) -> List[str]:
    """Return the sorted names in a folder, [] if it does not exist."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def rename(path: str, new_path: str) -> None:
    """Rename a file, replacing an existing one."""
    os.replace(path, new_path)


def remove(path: str) -> None:
    """Remove a file or link if it exists."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return


def remove_tree(path: str) -> None:
    """Remove a folder and its contents if it exists."""
    for name in list_names(path):
        inner = os.path.join(path, name)
        if os.path.isdir(inner) and not os.path.islink(inner):
            remove_tree(inner)
        else:
            remove(inner)
    if os.path.isdir(path):
        os.rmdir(path)


def _write(path: str, data: bytes, flags: int, mode: int, *, flush: bool = True) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, mode)
    try:
        if mode != PRIVATE:
            os.fchmod(handle, mode)  # the umask of the agent hides files from other users
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if flush:
            os.fsync(handle)
    finally:
        os.close(handle)


def _remove_part(path: str, size: int, data: bytes) -> None:
    """Shorten a file to its size before a part of `data` was appended.

    A file that is longer than that has also been written by another process, and is not changed.
    """
    with suppress(OSError):
        if size < os.path.getsize(path) <= size + len(data):
            os.truncate(path, size)


def _flush_folder(path: str) -> None:
    handle = os.open(path or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
