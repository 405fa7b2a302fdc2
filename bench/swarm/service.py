"""The service of one agent, without its threads and without waiting: a scheduler calls it.

Refresh, pauses, recovery, and activation are the code of `zac run`. What is different: a worker
process runs many agents, the activation is checked when it is due and not each second as well, and
there are no hooks and no changes of the trust store of the operating system.
"""

from __future__ import annotations

import math
import time

from zac import wakeup
from zac.host import state
from zac.host.host import Host
from zac.service import RANDOM, ActivationThread, Service
from zac.updates import activation

# States of an agent before it has an update. With an update, it is the step of the update.
NEW, REGISTERED, IN_CONTACT = "new", "registered", "in-contact"
# The activation thread waits this long between its checks, in seconds.
AFTER_SWITCH_PAUSE, OVERDUE_PAUSE = 1.0, 0.5


class Waker(wakeup.WakeupSocket):
    """The messages to one agent. It does not wait, because the scheduler has done that."""

    def __init__(self) -> None:
        self.message: bytes | None = None

    def wait(self, seconds: float) -> bytes | None:
        message, self.message = self.message, None
        return message

    def close(self) -> None:
        self.message = None


class ScheduledService(Service):
    """The service of an agent. `due` is when `run_due` must be called (monotonic clock)."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.wakeup.close()
        self._waker = Waker()
        self.wakeup = self._waker
        self._activator = ActivationThread(host, self._wake)
        host.activator = self._check_activation
        self._has_refreshed = False
        self._due = time.monotonic() + self._initial_pause()
        self._activation_at = math.inf
        self._plan()

    @property
    def due(self) -> float:
        """When the network loop or the activation thread has something to do."""
        return min(self._network_at, self._activation_at)

    @property
    def is_silent(self) -> bool:
        """True if the last refresh failed."""
        return self._failures > 0

    @property
    def stage(self) -> str:
        """REGISTERED, IN_CONTACT, or the step of the newest update."""
        held = self.host.state.load()
        if not held.updates:
            return IN_CONTACT if self._has_refreshed else REGISTERED
        newest = max(held.updates.values(), key=lambda record: record.received_at)
        # It is complete when the console knows it.
        is_reported = newest.step != state.CONFIRMED or not held.reports
        return newest.step if is_reported else state.ACTIVATED

    def run_due(self) -> None:
        """Do what is due: a check of the activation, a turn of the network loop, or both."""
        now = time.monotonic()
        if now >= self._activation_at:
            self._activate()
            self._activation_at = self._next_activation()
        if now >= self._network_at:
            self._activation_at = math.inf
            self._run_once()
            self._plan()

    def refresh(self, *, retry_failed: bool = False) -> None:
        super().refresh(retry_failed=retry_failed)
        self._has_refreshed = self._has_refreshed or not self.is_silent

    def settle(self) -> None:
        """Move the next refresh to any time in an interval, as that of an agent that runs long."""
        interval = self.host.home.zone_cache().refresh_s
        self._due = time.monotonic() + RANDOM.uniform(0, interval)
        self._plan()

    def network_pause(self) -> float:
        """Return for how many seconds the network loop would wait now."""
        return min(self._due - time.monotonic(), self._poll_seconds())

    def _plan(self) -> None:
        self._network_at = time.monotonic() + self.network_pause()
        # The network loop can have requested a check.
        self._activation_at = min(self._activation_at, self._next_activation())

    def _wake(self) -> None:
        self._waker.message = wakeup.CHECK
        self._network_at = time.monotonic()

    def _check_activation(self) -> None:
        self._activation_at = time.monotonic()

    def _activate(self) -> None:
        try:
            self._activator.check()
        except Exception as error:
            # As in the loop of the thread.
            self.host.log_warning(f"activation: {type(error).__name__}: {error}")

    def _next_activation(self) -> float:
        """Return when the activation thread would do something, infinity for nothing."""
        host, pauses = self.host, [math.inf]
        for record in host.state.load().updates.values():
            if record.step in (state.SWITCHING, state.VERIFYING):
                pauses.append(AFTER_SWITCH_PAUSE)
            due = activation.activation_due_at(host, record) if record.step == state.READY else None
            if due is not None:
                remaining = due - host.clock.now()
                pauses.append(remaining if remaining > 0 else OVERDUE_PAUSE)
        return time.monotonic() + min(pauses)
