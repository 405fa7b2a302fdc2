"""Run programs, restart them with increasing delays, and stop them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from faults import Unavailable
from zcc.runtime import processes
from zcc.runtime.processes import Program

POLL_SECONDS = 0.1
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.5, 10.0
# After this time, a program counts as started, and its next delay is short again.
STABLE_SECONDS = 20.0
STOP_SECONDS = 7.0
STOP_LAST_SECONDS = 2.0


class Stopped(Exception):
    """SIGINT, SIGTERM or SIGHUP was received."""


class Process:
    """A program that is restarted when it ends."""

    def __init__(self, program: Program, *, last: bool) -> None:
        self.program = program
        self.stops_last = last
        self.child: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.restart_at = 0.0
        self.delay = FIRST_DELAY_SECONDS

    @property
    def name(self) -> str:
        """The name of the program."""
        return self.program.name

    def poll(self, now: float) -> int | None:
        """Return the exit code if it has just ended, and schedule its restart."""
        code = self.child.poll() if self.child is not None else None
        if code is None:
            return None
        self.child = None
        if now - self.started > STABLE_SECONDS:
            self.delay = FIRST_DELAY_SECONDS
        self.restart_at = now + self.delay
        return code


class Supervisor:
    """Runs programs and keeps them running. All methods must be called from one thread.

    `processes.json` contains the process IDs. A program is not started while there is a file with
    its name in `hold/`.
    """

    def __init__(self, home: Path, print_line: Callable[[str], None]) -> None:
        self._home = home
        self._print_line = print_line
        self._processes: list[Process] = []
        self._stopping = False
        (home / "logs").mkdir(mode=0o700, exist_ok=True)

    def handle_signals(self) -> None:
        """Raise Stopped from check() after SIGINT, SIGTERM or SIGHUP."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle_signal)

    def _handle_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def add(self, program: Program, *, last: bool = False) -> None:
        """Start a program. With `last`, it is stopped after all others have ended."""
        processes.rotate_log(self.log(program.name))
        process = Process(program, last=last)
        self._processes.append(process)
        if not self._is_on_hold(process):
            self._start(process)

    def log(self, name: str) -> Path:
        """Return the path of the log of a program."""
        return self._home / "logs" / f"{name}.log"

    def check(self) -> None:
        """Restart programs that have ended, then sleep briefly. Raises Stopped."""
        now = time.monotonic()
        for process in self._processes:
            code = process.poll(now)
            if code is not None:
                self._print_line(f"{process.name} exited ({_describe_exit(code)}); restarting")
                self._write_process_ids()
            if (
                process.child is None
                and now >= process.restart_at
                and not self._is_on_hold(process)
            ):
                process.delay = min(process.delay * 2, MAX_DELAY_SECONDS)
                self._start(process)
        if self._stopping:
            raise Stopped
        time.sleep(POLL_SECONDS)

    def wait_until(self, is_ready: Callable[[], bool], seconds: float, failure: str) -> None:
        """Wait until a condition is met. Raises Unavailable with `failure` after `seconds`."""
        end = time.monotonic() + seconds
        while not is_ready():
            if time.monotonic() > end:
                raise Unavailable(
                    f"{failure} within {seconds:.0f} seconds. All processes were stopped.",
                    action=f"Check the logs in {self._home / 'logs'}.",
                )
            self.check()

    def run(self, programs: Sequence[Program], *, stdin: Sequence[str] | None = None) -> list[int]:
        """Run commands in parallel, and return their exit codes.

        `stdin` contains the input of each command. Use it for secrets.
        """
        inputs: Sequence[str | None] = stdin if stdin is not None else [None] * len(programs)
        children = [
            processes.start(program, self.log(program.name), stdin=text)
            for program, text in zip(programs, inputs, strict=True)
        ]
        try:
            while any(child.poll() is None for child in children):
                self.check()
        except Stopped:
            for child in children:
                child.kill()
            raise
        return [child.wait() for child in children]

    def stop(self) -> None:
        """Stop all programs with SIGTERM, and after a few seconds with SIGKILL."""
        _stop(
            [process.child for process in self._processes if not process.stops_last], STOP_SECONDS
        )
        _stop(
            [process.child for process in self._processes if process.stops_last], STOP_LAST_SECONDS
        )
        for process in self._processes:
            process.child = None
        self._write_process_ids()

    def _is_on_hold(self, process: Process) -> bool:
        return (self._home / "hold" / process.name).exists()

    def _start(self, process: Process) -> None:
        process.child = processes.start(process.program, self.log(process.name))
        process.started = time.monotonic()
        self._write_process_ids()

    def _write_process_ids(self) -> None:
        running = {
            process.name: process.child.pid
            for process in self._processes
            if process.child is not None
        }
        new = self._home / "processes.json.new"
        new.write_text(json.dumps(running, indent=2))
        new.replace(self._home / "processes.json")


def _stop(found: Sequence[subprocess.Popen[bytes] | None], seconds: float) -> None:
    children = [child for child in found if child is not None]
    for child in children:
        child.terminate()
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(child.poll() is None for child in children):
        time.sleep(POLL_SECONDS / 2)
    for child in children:
        if child.poll() is None:
            # The whole session, so that no child of it stays.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _describe_exit(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
