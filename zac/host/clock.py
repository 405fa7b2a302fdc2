"""Zone time: the time of the zone's servers, whatever the local clock says.

The offset is learned from a server after a verified handshake (or from a statement that the zone
key signed). Within one process zone time then runs on a clock that counts suspended time and does
not jump; the wall clock with the stored offset is what a fresh process starts from.
"""

from __future__ import annotations

import json
import os
import time
from typing import Callable, Optional, Tuple

from zac.host import files

NOTEWORTHY = 2.0
WORTH_STORING = 0.25
# Beyond this the local clock is not good enough to judge the dates of certificates.
ABSURD = 300.0


def wall() -> float:
    """Return the local clock; ZAC_CLOCK_SKEW shifts it by seconds, to rehearse a wrong clock."""
    return time.time() + float(os.environ.get("ZAC_CLOCK_SKEW") or 0)  # noqa: TID251 - the clock itself


def steady() -> float:
    """Return seconds on a clock that never jumps and goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Local clock plus what was learned from the zone; the offset survives in a file."""

    def __init__(
        self,
        path: str,
        local: Callable[[], float] = wall,
        running: Callable[[], float] = steady,
    ) -> None:
        self._path = path
        self.local = local
        self._running = running
        self._anchor: Optional[Tuple[float, float]] = None
        self.offset = self._stored()

    def now(self) -> float:
        """Return zone time, seconds since 1970."""
        if self._anchor is not None:
            zone, running = self._anchor
            return zone + self._running() - running
        return self.local() + self.offset

    @property
    def absurd(self) -> bool:
        """Tell whether the local clock is too far off to judge certificates by it."""
        return abs(self.now() - self.local()) > ABSURD

    def learn(self, zone: float) -> float:
        """Take over the zone's time; returns by how many seconds zone time moved."""
        before = self.now()
        self._anchor = (zone, self._running())
        self.offset = zone - self.local()
        if abs(self.offset - self._stored()) > WORTH_STORING:
            files.write(self._path, json.dumps({"offset": self.offset}).encode())
        return zone - before

    def _stored(self) -> float:
        try:
            return float(json.loads(files.read(self._path) or b"{}").get("offset", 0.0))
        except (ValueError, TypeError, AttributeError):
            return 0.0
