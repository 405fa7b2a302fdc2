"""Zone time: the time of the zone's servers, independent of the local clock.

The offset is learned after a verified TLS handshake, or from a statement signed with the zone key.
In a running process, zone time follows a clock that includes suspended time and does not jump. A
new process starts with the local clock and the stored offset.
"""

from __future__ import annotations

import json
import os
import time
from typing import Callable, Optional, Tuple

from zac.host import files

# All in seconds.
NOTABLE_CLOCK_CHANGE = 2.0
MIN_STORED_CHANGE = 0.25
# With a greater error the local clock cannot be used to check the dates of certificates.
MAX_CLOCK_ERROR = 300.0


def local_time() -> float:
    """Return the local clock in seconds. ZAC_CLOCK_SKEW shifts it, to test a wrong clock."""
    return time.time() + float(os.environ.get("ZAC_CLOCK_SKEW") or 0)  # noqa: TID251 - the clock itself


def running_time() -> float:
    """Return seconds on a clock that never jumps and includes the time of suspension."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Local clock with an offset learned from the zone, which is stored in a file."""

    def __init__(
        self,
        path: str,
        local: Callable[[], float] = local_time,
        running: Callable[[], float] = running_time,
    ) -> None:
        self._path = path
        self.local = local
        self._running = running
        self._anchor: Optional[Tuple[float, float]] = None
        self.offset = self._load_offset()

    def now(self) -> float:
        """Return zone time in seconds since 1970."""
        if self._anchor is not None:
            zone, running = self._anchor
            return zone + self._running() - running
        return self.local() + self.offset

    @property
    def is_unusable(self) -> bool:
        """Return True if the local clock is too far off to check certificates with it."""
        return abs(self.now() - self.local()) > MAX_CLOCK_ERROR

    def learn(self, zone: float) -> float:
        """Set the zone time; return by how many seconds it changed."""
        before = self.now()
        self._anchor = (zone, self._running())
        self.offset = zone - self.local()
        if abs(self.offset - self._load_offset()) > MIN_STORED_CHANGE:
            files.write(self._path, json.dumps({"offset": self.offset}).encode())
        return zone - before

    def _load_offset(self) -> float:
        try:
            return float(json.loads(files.read(self._path) or b"{}").get("offset", 0.0))
        except (ValueError, TypeError, AttributeError):
            return 0.0
