"""The trial of a version: a child process that must contact the zone within its time limit.

If the child ends without a refresh, or its time is over, the version in use continues and reports
it. The alarm of the child is set before it starts, so that it also ends if this process is killed.

See: D-220
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import List, Optional

from wire.records import replace
from zac import archive
from zac.host.host import Host
from zac.upgrades import programs
from zac.upgrades.programs import Program

# In the environment of a version on trial: the handle of the lock that it has inherited.
LOCK = "ZAC_TRIAL_LOCK"
# A trial that is interrupted, for example by a restart of the host, is repeated.
MAX_TRIES = 3
POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
# The alarm of the child comes after the time limit that the waiting process applies.
ALARM_MARGIN = 5


def is_trial() -> bool:
    """Return True in the process of a version on trial."""
    return LOCK in os.environ


def run_pending(host: Host, lock: int) -> bool:
    """Try the version on trial, if there is one; return True if it must replace this process.

    `lock` is the handle of the lock that only one agent of a data directory can hold.
    """
    held = programs.load(host.home)
    program = held.trial
    if program is None:
        return False
    if held.tries >= MAX_TRIES:
        reason = "it was started %d times and did not contact a server." % held.tries
    elif not programs.is_intact(host.home, program):
        reason = "its file is damaged."
    else:
        programs.save(host.home, replace(held, tries=held.tries + 1))
        host.log_event("agent-trial", version=program.version, tries=held.tries + 1)
        reason = _run(host, program, held.time_limit, lock)
        current = programs.load(host.home).current
        if current is not None and current.sha256 == program.sha256:
            host.log_event("agent-upgraded", version=program.version)
            return True
    text = "Version %s was not installed: %s" % (program.version, reason)
    programs.end_trial(host.home, text)
    host.log_event("agent-upgrade-failed", reason=text)
    return False


def _run(host: Host, program: Program, limit: int, lock: int) -> str:
    """Run the version until it ends or its time is over; return why it has no success."""
    child = os.fork()
    if child == 0:
        _start(host, program, limit, lock)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        until = time.monotonic() + limit
        while time.monotonic() < until:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                child = 0
                return _describe(status)
            time.sleep(POLL_SECONDS)
    finally:
        signal.signal(signal.SIGTERM, previous)
        if child:
            _end(child)
    return "it did not contact a server within %d seconds." % limit


def _start(host: Host, program: Program, limit: int, lock: int) -> None:
    """Replace the child process with the version on trial."""
    try:
        os.set_inheritable(lock, True)  # noqa: FBT003 - no name for it
        os.environ[LOCK] = str(lock)
        signal.alarm(limit + ALARM_MARGIN)  # it stays set in the new program
        path = programs.get_path(host.home, program)
        command: List[str] = [sys.executable, "-I", path, archive.SERVICE, host.home.path]
        os.execv(command[0], command)  # noqa: S606 - a verified version of this program
    finally:
        os._exit(1)


def _describe(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "it was ended by signal %d before it contacted a server." % os.WTERMSIG(status)
    return "it ended with exit code %d before it contacted a server." % os.WEXITSTATUS(status)


def _end(child: int) -> None:
    os.kill(child, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(POLL_SECONDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _stop(_signal: int, _frame: Optional[FrameType]) -> None:
    raise SystemExit(0)
