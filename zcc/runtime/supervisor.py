"""Keep programs running: start, log, restart with growing pauses, stop them all."""

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

TURN_SECONDS = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
# A program that ran this long had come up; its next pause is short again.
STEADY_SECONDS = 20.0
STOP_SECONDS = 7.0
STOP_LAST_SECONDS = 2.0


class Stopped(Exception):
    """Somebody asked for the end: SIGINT, SIGTERM or SIGHUP."""


class Part:
    """One program that is kept running."""

    def __init__(self, program: Program, *, last: bool) -> None:
        self.program = program
        self.last = last
        self.child: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.due = 0.0
        self.pause = FIRST_PAUSE

    @property
    def name(self) -> str:
        """The name of the program."""
        return self.program.name

    def ended(self, now: float) -> int | None:
        """Return the exit code if it has just ended; it is due again after a pause."""
        code = self.child.poll() if self.child is not None else None
        if code is None:
            return None
        self.child = None
        if now - self.started > STEADY_SECONDS:
            self.pause = FIRST_PAUSE
        self.due = now + self.pause
        return code


class Supervisor:
    """The parts of an installation. Everything happens in the thread that made it.

    `processes.json` tells the process id of each part. A file in `hold/` with the name of a part
    keeps that part down once it has ended.
    """

    def __init__(self, home: Path, say: Callable[[str], None]) -> None:
        self._home = home
        self._say = say
        self._parts: list[Part] = []
        self._stopping = False
        (home / "logs").mkdir(mode=0o700, exist_ok=True)

    def obey_signals(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP end the wait that goes on, with Stopped."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)

    def _asked_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def keep(self, program: Program, *, last: bool = False) -> None:
        """Run a program from now on; `last` ones are stopped when all others have ended."""
        processes.turn_log(self.log(program.name))
        part = Part(program, last=last)
        self._parts.append(part)
        self._start(part)

    def log(self, name: str) -> Path:
        """Return the log of a part or of a command."""
        return self._home / "logs" / f"{name}.log"

    def tend(self) -> None:
        """Look after all parts once, and rest a moment; raises Stopped."""
        now = time.monotonic()
        for part in self._parts:
            code = part.ended(now)
            if code is not None:
                self._say(f"{part.name} ended ({_reason(code)}), it starts again soon")
                self._publish()
            if part.child is None and now >= part.due and not self._held(part):
                part.pause = min(part.pause * 2, LONGEST_PAUSE)
                self._start(part)
        if self._stopping:
            raise Stopped
        time.sleep(TURN_SECONDS)

    def wait_until(self, there: Callable[[], bool], seconds: float, what: str) -> None:
        """Tend until something is there; raises Unavailable when it takes too long."""
        end = time.monotonic() + seconds
        while not there():
            if time.monotonic() > end:
                raise Unavailable(
                    f"{what} within {seconds:.0f} seconds. All parts were stopped again.",
                    action=f"Look into the logs in {self._home / 'logs'}.",
                )
            self.tend()

    def run(self, programs: Sequence[Program], *, stdin: Sequence[str] | None = None) -> list[int]:
        """Run commands side by side to their end while tending; returns their exit codes.

        `stdin` holds for each command what it is to read: the way for a secret.
        """
        words: Sequence[str | None] = stdin if stdin is not None else [None] * len(programs)
        children = [
            processes.start(program, self.log(program.name), stdin=word)
            for program, word in zip(programs, words, strict=True)
        ]
        try:
            while any(child.poll() is None for child in children):
                self.tend()
        except Stopped:
            for child in children:
                child.kill()
            raise
        return [child.wait() for child in children]

    def stop(self) -> None:
        """End everything: first by SIGTERM, after some seconds by SIGKILL."""
        _end([part.child for part in self._parts if not part.last], STOP_SECONDS)
        _end([part.child for part in self._parts if part.last], STOP_LAST_SECONDS)
        for part in self._parts:
            part.child = None
        self._publish()

    def _held(self, part: Part) -> bool:
        return (self._home / "hold" / part.name).exists()

    def _start(self, part: Part) -> None:
        part.child = processes.start(part.program, self.log(part.name))
        part.started = time.monotonic()
        self._publish()

    def _publish(self) -> None:
        running = {part.name: part.child.pid for part in self._parts if part.child is not None}
        new = self._home / "processes.json.new"
        new.write_text(json.dumps(running, indent=2))
        new.replace(self._home / "processes.json")


def _end(found: Sequence[subprocess.Popen[bytes] | None], seconds: float) -> None:
    children = [child for child in found if child is not None]
    for child in children:
        child.terminate()
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(child.poll() is None for child in children):
        time.sleep(TURN_SECONDS / 2)
    for child in children:
        if child.poll() is None:
            # With its whole session, so that nothing of it stays.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _reason(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
