"""Every call that changes the agent's files: whatever happens, a reader sees the old or the new.

A file is written beside its place, flushed, moved there, and the folder is flushed. Keeping these
calls in one place is what lets a test stop the process before and after each of them.
"""

from __future__ import annotations

import os
from typing import List, Optional

from faults import Fault, Kind

PRIVATE = 0o600


class NoSpace(Fault):
    """The home could not be written; what was there is still in force."""

    kind = Kind.UNAVAILABLE
    action = "Free some space or correct the rights of the agent's home, then run: zac refresh"


def read(path: str) -> Optional[bytes]:
    """Return a file's content, None if it is not there."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: str, data: bytes, mode: int = PRIVATE) -> None:
    """Replace a file as a whole; raises NoSpace."""
    beside = path + ".new"
    try:
        _fill(beside, data, os.O_CREAT | os.O_TRUNC, mode)
        os.replace(beside, path)
        _flush_folder(os.path.dirname(path))
    except OSError as error:
        raise NoSpace("%s could not be written: %s." % (path, error.strerror)) from error


def append(path: str, line: bytes, *, flush: bool = True) -> None:
    """Add one line to a journal; raises NoSpace."""
    try:
        _fill(path, line, os.O_CREAT | os.O_APPEND, PRIVATE, flush=flush)
    except OSError as error:
        raise NoSpace("%s could not be written: %s." % (path, error.strerror)) from error


def make_folder(path: str) -> None:
    """Make a folder that only its owner may enter, unless it is there."""
    if not os.path.isdir(path):
        make_folder(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return
        except OSError as error:
            raise NoSpace("%s could not be made: %s." % (path, error.strerror)) from error
        _flush_folder(os.path.dirname(path))


def point(link: str, name: str) -> None:
    """Let a symbolic link name another folder, in one step."""
    beside = link + ".new"
    try:
        remove(beside)
        os.symlink(name, beside)
        os.replace(beside, link)
        _flush_folder(os.path.dirname(link))
    except OSError as error:
        raise NoSpace("%s could not be set: %s." % (link, error.strerror)) from error


def pointed(link: str) -> str:
    """Return the name a link holds, "" if there is none."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def names(folder: str) -> List[str]:
    """List a folder, sorted; empty if it is not there."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def move(path: str, there: str) -> None:
    """Give a file another name."""
    os.replace(path, there)


def remove(path: str) -> None:
    """Remove a file or link, if it is there."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return


def remove_tree(path: str) -> None:
    """Remove a folder with all that is in it, if it is there."""
    for name in names(path):
        inner = os.path.join(path, name)
        if os.path.isdir(inner) and not os.path.islink(inner):
            remove_tree(inner)
        else:
            remove(inner)
    if os.path.isdir(path):
        os.rmdir(path)


def _fill(path: str, data: bytes, flags: int, mode: int, *, flush: bool = True) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if flush:
            os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(path: str) -> None:
    handle = os.open(path or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
