"""Processes of this installation: none outlives its parent, none leaves a core dump behind.

Key files are made for their owner alone (umask 077), and no core dump carries a key (S-37).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

LOGS_KEPT = 4
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What is to run: its name (also the name of its log), its command line, its environment."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


def harden() -> None:
    """Let this process and its children write files for their owner alone, and no core dumps."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def hide() -> None:
    """Close this process to others of the same user: no debugger, no way in by /proc (Linux)."""
    if _prctl is not None:
        _prctl(PR_SET_DUMPABLE, 0)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL (Linux only)."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def start(program: Program, log: Path, *, stdin: str | None = None) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches its parent alone.

    What it prints is added to its log. `stdin` is handed over and closed: the way for a secret,
    which must not stand in a command line.
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
        _hand_over(child.stdin, stdin)
    return child


def _before_exec() -> Callable[[], None]:
    return partial(die_with, os.getpid())


def _hand_over(pipe: IO[bytes], text: str) -> None:
    try:
        pipe.write(text.encode())
        pipe.close()
    except BrokenPipeError:
        return  # it ended before it read; its exit code says why


def turn_log(log: Path) -> None:
    """Put the log of an earlier start aside; the last few are kept."""
    if not log.exists() or log.stat().st_size == 0:
        return
    for number in range(LOGS_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))
