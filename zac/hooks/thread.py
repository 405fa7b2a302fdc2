"""The thread of the service for the system's trust store and for hooks.

A slow hook delays neither contact nor activation.
"""

from __future__ import annotations

import os
import threading
from typing import Tuple

from wire.host_messages import SUCCEEDED
from zac import wakeup
from zac.hooks import events, runner
from zac.host.host import Host
from zac.system_trust import synchronization

POLL_SECONDS = 2.0
# After an error, for example of a full disk, which would be logged every two seconds otherwise.
ERROR_SECONDS = 30.0
STOP_SECONDS = 2.0


class HookThread(threading.Thread):
    """Looks for changes every two seconds, and runs the hooks for them."""

    def __init__(self, host: Host) -> None:
        super().__init__(name="hooks", daemon=True)
        self._host = host
        self._stopped = threading.Event()
        self._checked: Tuple[str, int, bool] = ("", 0, False)

    def run(self) -> None:
        pause = POLL_SECONDS
        while not self._stopped.wait(pause):
            pause = POLL_SECONDS
            try:
                self.check()
            except Exception as error:
                # The thread must survive any error, because it has to check again.
                self._host.log_warning("hooks: %s: %s" % (type(error).__name__, error))
                pause = ERROR_SECONDS

    def check(self) -> None:
        """Do what is due after a change of the trust store or of the settings of the zone.

        The store of the system comes first, because hooks can depend on it. Failures are reported
        immediately.
        """
        version = self._get_version()
        if version == self._checked:
            return
        synchronization.synchronize(self._host)
        has_run = runner.run_due(self._host, self._stopped.is_set)
        journal = runner.load(self._host.home)
        if journal.seen is None or journal.seen != events.take_snapshot(self._host):
            return  # interrupted, or in the middle of an activation
        self._checked = version
        if has_run and any(result.state != SUCCEEDED for result in journal.results):
            wakeup.wake(self._host.home.path, wakeup.REFRESH)

    def _get_version(self) -> Tuple[str, int, bool]:
        """Return values that change with all that decides what is due."""
        home = self._host.home
        try:
            changed = os.stat(home.path_to("servers.json")).st_mtime_ns
        except FileNotFoundError:
            changed = 0
        return self._host.trust_store.current_name(), changed, synchronization.is_allowed(home)

    def stop(self) -> None:
        """End the hook that is running. It runs again when the service starts."""
        self._stopped.set()
        if self.is_alive():
            self.join(STOP_SECONDS)
