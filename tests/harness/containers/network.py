"""A network of its own for a test, so that the containers use the addresses of the example."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000  # unshare(2), setns(2)


@contextmanager
def own_network(*addresses: str) -> Iterator[None]:
    """Give this thread, and the processes that it starts, a network with some addresses only."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as previous:  # noqa: PTH123 - its descriptor is used
        _check(libc.unshare(CLONE_NEWNET))
        try:
            _ip("link", "set", "lo", "up")
            for address in addresses:
                _ip("address", "add", f"{address}/24", "dev", "lo")
            yield
        finally:
            _check(libc.setns(previous.fileno(), CLONE_NEWNET))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
