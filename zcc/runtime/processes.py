"""Start processes that end with their parent and write no core dumps.

Files are readable by their owner only (umask 077), and keys never get into a core dump.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

MAX_OLD_LOGS = 4
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """A program: name (also of its log), command line, environment, and working directory."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


def harden() -> None:
    """Make files of this process and its children private, and disable core dumps."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def disable_inspection() -> None:
    """Disable debuggers and /proc access for other processes of the same user (Linux)."""
    if _prctl is not None:
        _prctl(PR_SET_DUMPABLE, 0)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux)."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before prctl
        os._exit(1)


def start(program: Program, log: Path, *, stdin: str | None = None) -> subprocess.Popen[bytes]:
    """Start a program in its own session, so that Ctrl+C reaches only its parent.

    Its output is appended to the log. `stdin` is written and closed. Use it for secrets, because
    command lines are visible to other users.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - our own programs, arguments are a list
            program.arguments,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=program.folder,
            env={**os.environ, **program.environment},
            start_new_session=True,
            preexec_fn=_before_exec(),  # noqa: PLW1509 - the starter has one thread
        )
    if child.stdin is not None and stdin is not None:
        _write_and_close(child.stdin, stdin)
    return child


def _before_exec() -> Callable[[], None]:
    return partial(end_with_parent, os.getpid())


def _write_and_close(pipe: IO[bytes], text: str) -> None:
    try:
        pipe.write(text.encode())
        pipe.close()
    except BrokenPipeError:
        return  # the process has ended; its exit code shows the reason


def rotate_log(log: Path) -> None:
    """Rename the log of an earlier start. The last few logs are kept."""
    if not log.exists() or log.stat().st_size == 0:
        return
    for number in range(MAX_OLD_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def count_descriptors() -> int:
    """Return the number of open descriptors of this process."""
    return sum(1 for _path in Path("/dev/fd").iterdir())


def list_sockets(port: int) -> Iterator[tuple[int, socket.socket]]:
    """Yield the descriptors of this process that are bound to a port, each with its socket.

    A socket object is valid until the next one is requested.
    """
    for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        # Another thread can close it in the meantime.
        with suppress(OSError), _borrow_socket(descriptor) as found:
            if found.getsockname()[1:2] == (port,):
                yield descriptor, found


@contextmanager
def _borrow_socket(descriptor: int) -> Iterator[socket.socket]:
    """Return the socket of a descriptor that stays open. Raises OSError if it is not a socket.

    The descriptor is not duplicated: if it belongs to a file, closing the duplicate would end all
    locks that this process holds on the file (fcntl), and SQLite would damage the database.
    """
    found = socket.socket(fileno=descriptor)
    try:
        yield found
    finally:
        found.detach()
