"""Run another program of this host: without a shell, with a time limit, and with limited output.

The program runs in its own process group, which is killed at the time limit, so that no child of
it remains. Only POSIX systems are supported.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from typing import Any, Callable, Mapping, Sequence

from wire.records import Record

MAX_OUTPUT_BYTES = 64 << 10
POLL_SECONDS = 0.1
# The search path of programs. That of the caller could contain programs of other users.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE_ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
# Exit codes of shells: the program was not found, or cannot be run.
NOT_FOUND, NOT_RUNNABLE = 127, 126


class Finished(Record):
    """A program that has ended.

    `exit_code` is negative if a signal ended it. `output` is the end of standard output and
    standard error. `is_late` means that the time limit ended it, `is_stopped` that the caller did.
    """

    exit_code: int
    output: str
    seconds: float
    is_late: bool = False
    is_stopped: bool = False

    @property
    def last_line(self) -> str:
        """Return the last line of the output that is not empty, "" if there is none."""
        lines = [line.strip() for line in self.output.splitlines()]
        return next((line for line in reversed(lines) if line), "")


def find_program(name: str) -> str:
    """Return the path of a program in PATH, "" if it is not installed."""
    for folder in PATH.split(":"):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def run(
    command: Sequence[str],
    *,
    limit: float,
    environment: Mapping[str, str],
    is_stopped: Callable[[], bool] = lambda: False,
) -> Finished:
    """Run a program for at most `limit` seconds, and return how it ended.

    `environment` is added to BASE_ENVIRONMENT; the program inherits nothing else.
    """
    import subprocess  # noqa: PLC0415 - most agents never need it, and it uses memory

    begin = time.monotonic()
    try:
        child = subprocess.Popen(  # noqa: S603 - no shell; callers pass verified programs
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**BASE_ENVIRONMENT, **environment},
            start_new_session=True,
        )
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
        return Finished(code, "%s: %s" % (command[0], error.strerror), 0.0)
    output = bytearray()
    is_late = stopped = False
    with child:
        while not _has_ended(child, output):
            is_late = time.monotonic() - begin > limit
            stopped = is_stopped()
            if is_late or stopped:
                _kill_group(child.pid)
                break
        child.wait()
        _read_available(child, output)
    text = bytes(output).decode("utf-8", "replace").replace("\0", "")
    seconds = round(time.monotonic() - begin, 3)
    return Finished(child.returncode, text, seconds, is_late, stopped)


def _has_ended(child: Any, output: bytearray) -> bool:
    """Read output until the program ends or a moment has passed.

    A service that the program has started can keep the pipe open, so its end is not waited for.
    """
    if select.select([child.stdout], [], [], POLL_SECONDS)[0] and not _read(child, output):
        time.sleep(POLL_SECONDS / 10)
    return child.poll() is not None


def _read(child: Any, output: bytearray) -> bool:
    data = os.read(child.stdout.fileno(), 1 << 14)
    output += data
    del output[:-MAX_OUTPUT_BYTES]
    return bool(data)


def _read_available(child: Any, output: bytearray) -> None:
    while select.select([child.stdout], [], [], 0)[0] and _read(child, output):
        pass


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
