"""The socket in the home through which a running agent is told to look again."""

from __future__ import annotations

import os
import select
import socket
from typing import Optional

from zac.host import files

NAME = "wake.sock"
PATH = "wake.path"
LONGEST_PATH = 107
LOOK = b"look"
REFRESH = b"refresh"


class Wake:
    """The loop's end: waits for a time or for a message."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        files.remove(os.path.join(home, NAME))
        self._folder = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
        self._socket.bind(_short(self._folder))
        self._record()
        self._socket.settimeout(0)

    def wait(self, seconds: float) -> Optional[bytes]:
        """Return what was said within the time, the most urgent of it; None if nothing was."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, seconds))
        heard = []
        while ready:
            try:
                heard.append(self._socket.recv(64))
            except BlockingIOError:
                break
        if not heard:
            return None
        return LOOK if all(word == LOOK for word in heard) else REFRESH

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        os.close(self._folder)
        files.remove(os.path.join(self._home, NAME))
        files.remove(os.path.join(self._home, PATH))

    def _record(self) -> None:
        """Leave a short path for those who do not know the trick, where the home is deep."""
        path = os.path.join(self._home, PATH)
        files.remove(path)
        if len(os.path.join(self._home, NAME)) > LONGEST_PATH:
            short = "/proc/%d/fd/%d/%s" % (os.getpid(), self._folder, NAME)
            files.write(path, short.encode())


def call(home: str, word: bytes = REFRESH) -> bool:
    """Wake the agent of a home; False if none runs."""
    try:
        folder = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.settimeout(0)
            speaker.sendto(word, _short(folder))
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _short(folder: int) -> str:
    # A socket's path holds 108 bytes at most; this one is short however deep the home is.
    return "/proc/self/fd/%d/%s" % (folder, NAME)
