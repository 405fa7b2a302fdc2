"""The agent as a service: a loop for the network, and a thread of its own for the moment itself.

Measured: with the activation inside the network loop and a console that hangs, a fifth of the
devices switched in time; with its own thread all did.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from types import FrameType
from typing import Callable, Dict, Optional

from faults import Fault, Kind
from wire.messages import MANAGED
from zac import wakeup
from zac.cli import exit_codes
from zac.enrollment import first_certificate
from zac.host import locks, state
from zac.host.home import Home, NotRegistered
from zac.host.host import Host, say
from zac.host.state import Record
from zac.network import calls
from zac.trust import recovery
from zac.updates import activation, preflight, steps
from zac.updates import refresh as updates_refresh

LOCK_WAIT = 30.0
REFUSED_PASSES = 2
QUICK = 2.0
SOON = 20.0
PATIENCE = 300.0
# Spreads the load of many devices.
CHANCE = random.SystemRandom()


class Hindered(Fault):
    """The machine hinders the agent: a full disk, a file that cannot be written."""

    kind = Kind.UNAVAILABLE
    action = "The agent tries again by itself."


class Service:
    """What `zac run` does until it is told to stop."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._failures = 0
        self._lost = 0
        self._due = 0.0
        self.wake = wakeup.Wake(host.home.path)
        self._activator = Activator(host, lambda: wakeup.call(host.home.path, wakeup.LOOK))

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code."""
        host = self.host
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)
        host.activator = self._activator.poke
        self._activator.start()
        listeners = None
        if host.device.role != MANAGED:
            from zac.content.content_server import Listeners  # noqa: PLC0415 - managed devices do without

            listeners = Listeners(host)
        try:
            self._due = time.monotonic() + self._first_pause()
            while True:
                if listeners is not None:
                    listeners.sync()
                self._turn()
        except SystemExit:
            return 0
        finally:
            self.close()
            if listeners is not None:
                listeners.close()

    def close(self) -> None:
        """Remove the socket; the loop has ended."""
        self.wake.close()

    def _turn(self) -> None:
        heard = self.wake.wait(min(self._due - time.monotonic(), self._poll()))
        if heard == wakeup.REFRESH or time.monotonic() >= self._due:
            self.refresh(asked=heard == wakeup.REFRESH)
            self._due = time.monotonic() + self._pause()
        else:
            self._guarded(lambda: look(self.host))

    def refresh(self, *, asked: bool = False) -> None:
        """Make one pass; after two passes in which no server verifies, recover (B-10)."""
        fault = self._guarded(lambda: updates_refresh.refresh(self.host, asked=asked))
        self._failures = 0 if fault is None else self._failures + 1
        self._lost = self._lost + 1 if isinstance(fault, calls.NoneVerifies) else 0
        if self._lost >= REFUSED_PASSES and self._guarded(self._recover) is None:
            self._failures = self._lost = 0

    def _recover(self) -> None:
        recovery.recover(self.host)
        updates_refresh.refresh(self.host)

    def _guarded(self, act: Callable[[], object]) -> Optional[Fault]:
        try:
            with locks.hold(self.host.home.at("lock"), LOCK_WAIT):
                act()
        except NotRegistered as fault:
            self.host.log(str(fault))
            return fault
        except Fault as fault:
            self.host.log("%s: %s" % (type(fault).__name__, fault))
            return fault
        except OSError as error:
            # A full disk must not end an agent whose next step may be due when there is room again.
            self.host.log("%s: %s" % (Hindered.__name__, error))
            return Hindered(str(error))
        return None

    def _first_pause(self) -> float:
        return CHANCE.uniform(0, min(5.0, self.host.home.known().refresh_s / 5))

    def _pause(self) -> float:
        interval = self.host.home.known().refresh_s
        if self._failures:
            interval = pause_after(interval, self._failures)
        return interval * CHANCE.uniform(0.8, 1.2)

    def _poll(self) -> float:
        host = self.host
        return max(0.2, min(poll_after(host), host.home.known().refresh_s))


class Activator(threading.Thread):
    """Wakes at the activation time, at least once a second, so that any jump of a clock is seen."""

    def __init__(self, host: Host, done: Callable[[], object]) -> None:
        super().__init__(name="activation", daemon=True)
        self._host = host
        self._done = done
        self._poked = threading.Event()
        self._rest: Dict[str, float] = {}

    def poke(self) -> None:
        """Look at once: something is armed."""
        self._poked.set()

    def run(self) -> None:
        while True:
            self._poked.wait(self._pause())
            self._poked.clear()
            try:
                self.look()
            except Exception as error:
                # Whatever it is, the next look must still happen.
                self._host.log("activation: %s: %s" % (type(error).__name__, error))

    def look(self) -> None:
        """Take the offline steps of every update that is due."""
        host = self._host
        for record in list(host.state.load().updates.values()):
            if not self._is_due(record):
                continue
            self._rest[record.id] = time.monotonic() + PROVING_REST
            steps.advance(host, record.id, offline=True)
            after = host.state.record(record.id)
            if after is not None and after.step != record.step:
                self._done()

    def _is_due(self, record: Record) -> bool:
        if record.step not in (state.ARMED, state.SWAPPING, state.PROVING):
            return False
        if record.step == state.ARMED:
            due = activation.due_at(self._host, record)
            return due is not None and self._host.clock.now() >= due
        return time.monotonic() >= self._rest.get(record.id, 0.0)

    def _pause(self) -> float:
        pauses = [1.0]
        for record in self._host.state.load().updates.values():
            due = activation.due_at(self._host, record) if record.step == state.ARMED else None
            if due is not None:
                pauses.append(due - self._host.clock.now())
        return max(0.01, min(pauses)) if min(pauses) > 0 else 0.5


PROVING_REST = 5.0


def look(host: Host) -> None:
    """Bring forward what waits, without a refresh."""
    if host.is_certified and host.home.known().approved and not host.security.current().server:
        first_certificate.collect(host)
    updates_refresh.bring_forward(host)
    preflight.again(host)


def pause_after(interval: float, failures: int) -> float:
    """Return how long to wait after failures: doubling, at most eightfold, soon if it is long."""
    base = min(interval, 60.0)
    return min(base * float(2 ** min(failures - 1, 3)), max(interval, 30.0))


def poll_after(host: Host) -> float:
    """Return in how many seconds something that waits should be looked at between refreshes."""
    waits = [3600.0]
    held = host.state.load()
    if held.reports:
        waits.append(QUICK)
    if host.is_certified and not host.security.current().server:
        waits.append(QUICK if host.home.known().approved else 10.0)
    waits += [_wait(host, record) for record in held.updates.values() if record.open]
    return min(waits)


def _wait(host: Host, record: Record) -> float:
    now = host.clock.now()
    if record.failure:
        return max(1.0, record.try_at - now)
    if record.step in (state.CERTIFICATE, state.ACTIVATED, state.REHEARSED):
        return QUICK
    if record.step == state.ARMED and activation.due_at(host, record) is None:
        left = record.activates_at() - now
        if left > SOON:
            return min(60.0, left - SOON)
        recent = -left < PATIENCE or now - record.since < PATIENCE
        return 1.0 if recent else 60.0
    if record.step == state.ARMED and preflight.is_open(host, record):
        return 60.0
    return 3600.0


def _stop(_signal: int, _frame: Optional[FrameType]) -> None:
    raise SystemExit(0)


def main(home: str) -> int:
    """Be what `zac run` becomes; returns the exit code."""
    host = Host(Home(home))
    host.log = say

    def run() -> int:
        with locks.hold(host.home.at("run.lock"), 1.0):
            return Service(host).run()

    return exit_codes.told(run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
