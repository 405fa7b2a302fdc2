"""Request bodies that are being read: limits for each client address, and for all together.

A whole fleet can have one address, and so can an attacker among it. So an address with too many
bodies loses its slowest one, and a request that arrives without delay is not affected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

BODIES_PER_ADDRESS = 32
BODIES = 1024
# The first data of a body can arrive after its header. So a younger one counts as faster by this
# number of bytes per second.
NEW_SECONDS = 1.0
NEW_RATE = 1024.0


class TooManyBodies(Exception):
    """The body is rejected because too many are being read."""


@dataclass(eq=False)
class OpenBody:
    """A body that is being read, and how many bytes were received. Times are in seconds."""

    deadline: asyncio.Timeout
    begun: float
    size: int = 0
    is_rejected: bool = False

    def get_order(self, now: float) -> tuple[float, float]:
        """Return a value that is smaller the slower the body is. The older one of two is first."""
        age = now - self.begun
        rate = self.size / max(age, NEW_SECONDS, 0.001)
        return rate + (NEW_RATE if age < NEW_SECONDS else 0.0), self.begun

    def reject(self, now: float) -> None:
        """End the reading."""
        self.is_rejected = True
        self.deadline.reschedule(now)


class OpenBodies:
    """The bodies that are being read in one event loop, by client address."""

    def __init__(self) -> None:
        self._by_address: dict[str, list[OpenBody]] = {}

    @asynccontextmanager
    async def add(self, address: str, seconds: float) -> AsyncIterator[OpenBody]:
        """Read a body within a time.

        Raises TimeoutError after this time, and TooManyBodies if the body is the slowest one of an
        address with too many, or if all addresses together have too many.
        """
        body: OpenBody | None = None
        now = asyncio.get_running_loop().time()
        self._make_room(address, now)
        try:
            async with asyncio.timeout(seconds) as deadline:
                body = OpenBody(deadline, now)
                self._by_address.setdefault(address, []).append(body)
                try:
                    yield body
                finally:
                    self._remove(address, body)
        except TimeoutError:
            if body is not None and body.is_rejected:
                raise TooManyBodies from None
            raise

    def _make_room(self, address: str, now: float) -> None:
        found = self._by_address.get(address, [])
        if len(found) >= BODIES_PER_ADDRESS:
            # The deadline of an expired one cannot be changed. It ends in this run of the loop.
            running = [body for body in found if not body.deadline.expired()]
            if running:
                slowest = min(running, key=lambda body: body.get_order(now))
                slowest.reject(now)
                self._remove(address, slowest)
        elif sum(map(len, self._by_address.values())) >= BODIES:
            raise TooManyBodies

    def _remove(self, address: str, body: OpenBody) -> None:
        found = self._by_address.get(address, [])
        if body in found:
            found.remove(body)
        if not found:
            self._by_address.pop(address, None)
