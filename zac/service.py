"""The agent as a service: a loop for the network, and a separate thread for the activation.

With an unresponsive console, a network loop that also activates is late on most devices.
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
from zac import archive, pauses, wakeup
from zac.cli import exit_codes
from zac.hooks.thread import HookThread
from zac.host import locks, logs, state
from zac.host.home import Home, NotRegistered
from zac.host.host import Host, NoServerPart, ServerPart
from zac.host.state import UpdateRecord
from zac.network import calls
from zac.network.errors import ServerBusy
from zac.registration import initial_certificate
from zac.trust import recovery
from zac.updates import activation, preflight, state_machine
from zac.updates import refresh as updates_refresh
from zac.upgrades import offers, programs, trial

LOCK_WAIT = 30.0
REFRESHES_BEFORE_RECOVERY = 2
# Pauses in seconds.
VERIFY_PAUSE = 5.0
TRIAL_PAUSE = 5.0
# The exit code of a service that another version of the agent replaces.
REPLACED = 100
# Spreads the load of many devices.
RANDOM = random.SystemRandom()


class HostUnavailable(Fault):
    """The host prevents the agent from working, for example because its disk is full."""

    kind = Kind.UNAVAILABLE
    action = "The agent retries automatically."


def open_host(home: str) -> Host:
    """Return the host with a data directory. Its server part is imported on first use."""
    return Host(Home(home), load_server_part=_load_server_part)


def _load_server_part() -> ServerPart:
    try:
        from zac.host.server_part import PkiServerPart  # noqa: PLC0415 - not on managed devices
    except ImportError as error:
        raise NoServerPart("The server part of the agent is not available.") from error
    return PkiServerPart()


class Service:
    """The main loop of `zac run`. A version on trial ends after its first successful refresh."""

    def __init__(self, host: Host, *, is_trial: bool = False) -> None:
        self.host = host
        self._is_trial = is_trial
        self._failures = 0
        self._retry_after = 0
        self._untrusted_refreshes = 0
        self._due = 0.0
        self.wakeup = wakeup.WakeupSocket(host.home.path)
        self._activator = ActivationThread(host, lambda: wakeup.wake(host.home.path, wakeup.CHECK))
        self._hooks = HookThread(host)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the exit code."""
        host = self.host
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)
        host.activator = self._activator.notify
        self._activator.start()
        if not self._is_trial:
            self._hooks.start()
        content_server = None
        if host.device.role != MANAGED:
            from zac.content.content_server import ContentServer  # noqa: PLC0415 - servers only

            content_server = ContentServer(host)
        try:
            self._due = time.monotonic() + (0.0 if self._is_trial else self._initial_pause())
            while True:
                if content_server is not None:
                    content_server.update_listeners()
                self._run_once()
        except SystemExit as stopped:
            return int(stopped.code or 0)
        finally:
            self.close()
            if content_server is not None:
                content_server.close()

    def close(self) -> None:
        """End the hook that is running, and remove the wakeup socket."""
        self._hooks.stop()
        self.wakeup.close()

    def _run_once(self) -> None:
        message = self.wakeup.wait(min(self._due - time.monotonic(), self._poll_seconds()))
        if message == wakeup.REFRESH or time.monotonic() >= self._due:
            self.refresh(retry_failed=message == wakeup.REFRESH)
            self._due = time.monotonic() + self._pause()
        else:
            self._run_locked(lambda: check_updates(self.host))
        if not self._is_trial and offers.is_trial_due(self.host):
            raise SystemExit(REPLACED)

    def refresh(self, *, retry_failed: bool = False) -> None:
        """Refresh once. After two refreshes without a trusted server, start the recovery."""
        fault = self._run_locked(
            lambda: updates_refresh.refresh(self.host, retry_failed=retry_failed)
        )
        self._failures = 0 if fault is None else self._failures + 1
        if self._is_trial and fault is None:
            programs.confirm_trial(self.host.home)
            raise SystemExit(0)
        self._retry_after = fault.retry_after if isinstance(fault, ServerBusy) else 0
        is_untrusted = isinstance(fault, calls.NoTrustedServer)
        self._untrusted_refreshes = self._untrusted_refreshes + 1 if is_untrusted else 0
        if self._untrusted_refreshes < REFRESHES_BEFORE_RECOVERY:
            return
        if self._run_locked(self._recover) is None:
            self._failures = self._untrusted_refreshes = 0

    def _recover(self) -> None:
        recovery.recover(self.host)
        updates_refresh.refresh(self.host)

    def _run_locked(self, task: Callable[[], object]) -> Optional[Fault]:
        try:
            with locks.hold(self.host.home.path_to("lock"), LOCK_WAIT):
                task()
        except NotRegistered as fault:
            self.host.log_warning(str(fault))
            return fault
        except Fault as fault:
            self.host.log_warning("%s: %s" % (type(fault).__name__, fault))
            return fault
        except OSError as error:
            # The agent must survive a full disk, because it has to continue afterward.
            self.host.log_warning("%s: %s" % (HostUnavailable.__name__, error))
            return HostUnavailable(str(error))
        return None

    def _initial_pause(self) -> float:
        return RANDOM.uniform(0, min(5.0, self.host.home.zone_cache().refresh_s / 5))

    def _pause(self) -> float:
        interval = self.host.home.zone_cache().refresh_s
        if self._failures:
            interval = pauses.retry_pause(interval, self._failures)
        interval = min(interval, TRIAL_PAUSE) if self._is_trial else interval
        return max(self._retry_after, interval * RANDOM.uniform(0.8, 1.2))

    def _poll_seconds(self) -> float:
        interval = self.host.home.zone_cache().refresh_s
        return max(0.2, min(pauses.poll_interval(self.host), interval))


class ActivationThread(threading.Thread):
    """Runs due activations. It checks every second at least, so changes of the clock are noticed.

    `done` is called when an update has reached another step.
    """

    def __init__(self, host: Host, done: Callable[[], object]) -> None:
        super().__init__(name="activation", daemon=True)
        self._host = host
        self._done = done
        self._notified = threading.Event()
        self._paused_until: Dict[str, float] = {}

    def notify(self) -> None:
        """Check immediately, because an update is ready."""
        self._notified.set()

    def run(self) -> None:
        while True:
            self._notified.wait(self._pause())
            self._notified.clear()
            try:
                self.check()
            except Exception as error:
                # The thread must survive any error, because it has to check again.
                self._host.log_warning("activation: %s: %s" % (type(error).__name__, error))

    def check(self) -> None:
        """Run the offline steps of every update that is due."""
        host = self._host
        for record in list(host.state.load().updates.values()):
            if not self._is_due(record):
                continue
            self._paused_until[record.id] = time.monotonic() + VERIFY_PAUSE
            state_machine.advance(host, record.id, offline=True)
            after = host.state.get(record.id)
            if after is not None and after.step != record.step:
                self._done()

    def _is_due(self, record: UpdateRecord) -> bool:
        if record.step not in (state.READY, state.SWITCHING, state.VERIFYING):
            return False
        if record.step == state.READY:
            due = activation.activation_due_at(self._host, record)
            return due is not None and self._host.clock.now() >= due
        return time.monotonic() >= self._paused_until.get(record.id, 0.0)

    def _pause(self) -> float:
        host, pauses = self._host, [1.0]
        for record in host.state.load().updates.values():
            is_ready = record.step == state.READY
            due = activation.activation_due_at(host, record) if is_ready else None
            if due is not None:
                pauses.append(due - host.clock.now())
        return max(0.01, min(pauses)) if min(pauses) > 0 else 0.5


def check_updates(host: Host) -> None:
    """Advance pending updates, without a refresh."""
    if (
        host.is_certified
        and host.home.zone_cache().approved
        and not host.trust_store.current().server
    ):
        initial_certificate.fetch(host)
    updates_refresh.advance_updates(host)
    preflight.repeat_checks(host)


def _stop(_signal: int, _frame: Optional[FrameType]) -> None:
    raise SystemExit(0)


def main(home: str) -> int:
    """Run the agent as a service, the program that `zac run` starts; return the exit code."""
    host = open_host(home)
    host.write_log = logs.write
    logs.log_uncaught_errors()

    def run() -> int:
        if trial.is_trial():  # the process that has started this one holds the lock
            return Service(host, is_trial=True).run()
        with locks.hold(host.home.path_to("run.lock"), 1.0) as lock:
            if trial.run_pending(host, lock):
                return REPLACED
            return Service(host).run()

    code = exit_codes.run(run, lambda fault: logs.write(logs.LogLine(logs.ERROR, str(fault))))
    if code == REPLACED:
        archive.start_service(host.home.path)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
