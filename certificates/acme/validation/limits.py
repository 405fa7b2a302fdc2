"""The limits of a validation: one time for all of it, and one size for everything a host sends.

A limit for each step is not enough: a host that sends a byte now and then, or responses without
end, would occupy the worker for as long as it wants. See: D-330
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any

TOTAL_SECONDS = 6.0
MAX_RESPONSE_BYTES = 16 * 1024


class Deadline:
    """The end of a validation, from the resolution of the name to the last byte."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining(self) -> float:
        """Return the remaining time in seconds, more than 0. Raises TimeoutError at the end."""
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


class LimitedStream(io.RawIOBase):
    """What a host sends, up to the deadline and to MAX_RESPONSE_BYTES. Then it raises OSError."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection, self._deadline = connection, deadline
        self._left = MAX_RESPONSE_BYTES

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what the host has sent. Each call has the time that is left for all of them."""
        if self._left <= 0:
            raise OSError
        self._connection.settimeout(self._deadline.get_remaining())
        count = self._connection.recv_into(buffer)
        self._left -= count
        return count

    def makefile(self, *_arguments: Any) -> io.BufferedReader:
        """Return the stream with a buffer, as `http.client` requests it from a socket."""
        return io.BufferedReader(self)
