"""The socket in the data directory that wakes up a running agent."""

from __future__ import annotations

import os
import select
import socket
from typing import Optional

from zac.host import files

NAME = "wake.sock"
PATH_FILE = "wake.path"
MAX_PATH = 107
# Messages: check the updates, or refresh.
CHECK = b"look"
REFRESH = b"refresh"


class WakeupSocket:
    """The receiving end of the socket."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        files.remove(os.path.join(home, NAME))
        self._folder = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
        self._socket.bind(_short_path(self._folder))
        self._write_path()
        self._socket.settimeout(0)

    def wait(self, seconds: float) -> Optional[bytes]:
        """Return REFRESH or CHECK if it was received in time, else None. REFRESH comes first."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, seconds))
        received = []
        while ready:
            try:
                received.append(self._socket.recv(64))
            except BlockingIOError:
                break
        if not received:
            return None
        return CHECK if all(message == CHECK for message in received) else REFRESH

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        os.close(self._folder)
        files.remove(os.path.join(self._home, NAME))
        files.remove(os.path.join(self._home, PATH_FILE))

    def _write_path(self) -> None:
        """Write a short path of the socket to a file if its real path is too long for clients."""
        path = os.path.join(self._home, PATH_FILE)
        files.remove(path)
        if len(os.path.join(self._home, NAME)) > MAX_PATH:
            short = "/proc/%d/fd/%d/%s" % (os.getpid(), self._folder, NAME)
            files.write(path, short.encode())


def wake(home: str, message: bytes = REFRESH) -> bool:
    """Wake up the agent of a data directory; return False if it is not running."""
    try:
        folder = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0)
            sender.sendto(message, _short_path(folder))
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _short_path(folder: int) -> str:
    # The path of a socket is limited to 108 bytes. This one is short for any data directory.
    return "/proc/self/fd/%d/%s" % (folder, NAME)
