"""Loopback networks for zones that run at the same time: each reserves a /24 of 127/8."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

CLAIMED_PORT = 47000


@contextmanager
def loopback_network() -> Iterator[str]:
    """Yield the first three numbers of a network that no other test uses."""
    for _ in range(1000):
        base = f"127.{random.randint(64, 191)}.{random.randint(1, 254)}"
        with closing(socket.socket()) as claim:
            try:
                claim.bind((f"{base}.254", CLAIMED_PORT))
            except OSError:
                continue
            yield base
            return
    raise AssertionError("no loopback network is free")


def free_port(address: str = "127.0.0.1") -> int:
    """Return an unused port of an address."""
    with closing(socket.socket()) as trial:
        trial.bind((address, 0))
        return int(trial.getsockname()[1])


def another_time(shift: str) -> dict[str, str]:
    """Return what makes a process see another time, without a wrapper that would outlive it."""
    assert shutil.which("faketime"), "the Debian package faketime is missing"
    done = subprocess.run(
        ["faketime", "-f", shift, "env"], capture_output=True, text=True, check=True
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return {name: seen[name] for name in ("LD_PRELOAD", "FAKETIME")}


def changing_time(folder: Path) -> dict[str, str]:
    """Return what makes a process see another time, which `set_time` can change at any moment."""
    assert shutil.which("cc"), "the Debian packages gcc and libc6-dev are missing"
    folder.mkdir()
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    line = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(source)]
    subprocess.run(line, check=True)
    set_time(folder, timedelta(0))
    return {"LD_PRELOAD": str(library), "TEST_CLOCK": str(folder / "shift")}


def set_time(folder: Path, shift: timedelta) -> None:
    """Set how far the clock of the processes of `changing_time` is ahead."""
    path = folder / "shift"
    path.touch()
    # It is changed in place, because the processes have it in their memory.
    with path.open("r+b") as file:
        file.write(struct.pack("=q", int(shift.total_seconds())))
