"""P-16: memory (PSS) of a web process, a worker process, and an agent in a running zone.

The agents run from bytecode, as installed ones do. PSS counts a page that n processes share as
1/n; `private` is what a process would free if it ended.
"""

from __future__ import annotations

import compileall
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench import zone as bench_zone
from bench.results import Row, tell
from tests.harness.zone import Zone, running_zone
from zcc.runtime.components import BASE_DIR

LIMITS = {"web": 90.0, "worker": 110.0, "agent": 10.0}
SETTLE_SECONDS = 30.0
MB = 2**20


def processes(zone: Zone, part: str) -> list[psutil.Process]:
    """Return the processes of a kind; for agents only those of managed devices."""
    found = []
    for name, pid in zone.pids().items():
        host, _, kind = name.partition(".")
        if kind == part and (part != "agent" or host.startswith("device")):
            main = psutil.Process(pid)
            found += [main, *main.children(recursive=True)]
    return found


def measure(zone: Zone, part: str) -> None:
    """Report the largest PSS of the processes of a kind."""
    seen = [process.memory_full_info() for process in processes(zone, part)]
    assert seen, f"no {part} runs"
    largest = max(seen, key=lambda one: one.pss)
    told = {"private_mb": largest.uss / MB, "processes": float(len(seen))}
    what = f"memory of a process of kind {part}: PSS in MB"
    tell(Row("P-16", what, largest.pss / MB, most=LIMITS[part], detail=told))


def main() -> None:
    """Measure P-16 in the demo zone of `make run`."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in ("faults", "wire", "zac"):
        compileall.compile_dir(BASE_DIR / package, quiet=1)
    devices = bench_zone.size("DEVICES", 10)
    with (
        TemporaryDirectory(prefix="zcc-bench-") as folder,
        running_zone(Path(folder), devices=devices) as zone,
    ):
        time.sleep(SETTLE_SECONDS)
        for part in LIMITS:
            measure(zone, part)


if __name__ == "__main__":
    main()
