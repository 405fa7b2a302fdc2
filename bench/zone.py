"""A zone for one benchmark: temporary data directory, empty database, settings."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any


def enter() -> Path:
    """Set up Django in a temporary folder, deleted when the process ends; return the folder."""
    import atexit

    home = Path(tempfile.mkdtemp(prefix="zcc-bench-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["ZCC_HOME"] = str(home)
    os.environ["ZCC_SERVER_HOME"] = str(home / "ps-01")
    os.environ["ZCC_LOG_LEVEL"] = "ERROR"
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    return home


def size(name: str, default: int) -> int:
    """Return the size of a benchmark: ZCC_BENCH_<NAME>, or the default."""
    return int(os.environ.get(f"ZCC_BENCH_{name}", default))


def database() -> str:
    """Return which database this process measures."""
    from django.db import connection

    return {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]


def cpu(act: Callable[[], Any]) -> float:
    """Return the CPU seconds that a function takes in this process."""
    start = process_time()
    act()
    return process_time() - start


def spent() -> float:
    """Return the CPU seconds so far of this process and of its database process.

    What else runs on the machine does not count. SQLite works inside this process.
    """
    from django.db import connection

    used = process_time()
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        backend = connection.connection.info.backend_pid
        used += int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e9
    return used


def interleaved(acts: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Run functions in turn for several rounds; return the median CPU seconds of each."""
    times: list[list[float]] = [[] for _ in acts]
    for _ in range(rounds):
        for act, taken in zip(acts, times, strict=True):
            taken.append(cpu(act))
    return [median(taken) for taken in times]
