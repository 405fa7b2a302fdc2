"""Locks between processes and threads that share a data directory (flock)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from typing import Iterator

from faults import Conflict, Fault, Kind

POLL_SECONDS = 0.05


class Locked(Conflict):
    """Another agent process uses the data directory."""

    action = "Wait until it has finished, then try again."


class NoDataDirectory(Fault):
    """The data directory does not exist or is not writable."""

    kind = Kind.UNAVAILABLE
    action = (
        "Run the command as the user that owns the agent's data "
        "directory, or specify another directory with --home."
    )


@contextlib.contextmanager
def hold(path: str, wait: float) -> Iterator[int]:
    """Hold a lock file, and yield its handle. Waits up to `wait` seconds, then raises Locked."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NoDataDirectory("Cannot use %s: %s." % (path, error.strerror)) from error
    try:
        _acquire(handle, wait)
        yield handle
    finally:
        os.close(handle)


class StateLock:
    """A lock for short state changes, between threads and between processes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = threading.RLock()
        self._depth = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; the same thread can acquire it again."""
        with self._thread, contextlib.ExitStack() as stack:
            if self._depth == 0:
                stack.enter_context(hold(self._path, 30))
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1


def _acquire(handle: int, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Locked("The agent's data directory is in use by another process.") from None
            time.sleep(POLL_SECONDS)
        else:
            return
