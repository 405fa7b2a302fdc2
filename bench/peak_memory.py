"""P-15: peak memory of signing and assigning, 100,000 compared with 1,000.

Each act runs in a process of its own that has done nothing else. SQLite lives in the same process:
its page cache, which fills up to its fixed size whatever runs, is held small.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import fleet
from bench import signing as bench_signing
from bench import zone as bench_zone
from bench.results import Row, tell

SMALL = 1_000
PIECE = 2_000


def apart(act: Callable[[], Any]) -> float:
    """Run a function in its own process; return its peak growth in MiB."""
    from django.db import connections

    connections.close_all()
    gc.collect()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _hold_cache()
        before = _peak(anew=True)
        act()
        os.write(writing, str(_peak() - before).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    assert os.waitpid(child, 0)[1] == 0, "the act failed"
    return float(said)


def _hold_cache() -> None:
    from django.db import connection

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA cache_size = -2000")


def _peak(*, anew: bool = False) -> float:
    """Return the peak memory of this process in MiB; `anew` resets the peak first."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def wait_for_signatures(authority: Any, begin: int, end: int) -> None:
    """Create servers with one pending certificate each, in batches."""
    for start in range(begin, end, PIECE):
        bench_signing.store(bench_signing.requests(min(PIECE, end - start), first=start), authority)


def signing(large: int) -> tuple[float, float]:
    """Return the growth in MiB for a thousand signatures, and for many."""
    from django.utils import timezone

    authority, _ = bench_signing.with_ca(256)
    grown = []
    for begin, end in ((0, SMALL), (SMALL, SMALL + large)):
        apart(lambda begin=begin, end=end: wait_for_signatures(authority, begin, end))
        grown.append(apart(lambda: bench_signing.sign_all(authority, timezone.now())))
        _check_all_signed(authority, end)
    return grown[0], grown[1]


def _check_all_signed(authority: Any, count: int) -> None:
    from certificates.models import FutureCertificate

    done = FutureCertificate.objects.filter(authority=authority, state="created").count()
    assert done == count, f"{done} of {count} were signed"


def assigning(large: int) -> tuple[float, float]:
    """Return the growth in MiB for an assignment to a thousand devices, and to many."""
    from devices.models import Device
    from systemupdates.assignments import assignment
    from systemupdates.models import Assignment
    from tests.support import factories

    server = Device.objects.filter(role="primary").first()
    assert server is not None
    grown = []
    for size in (SMALL, large):
        Assignment.objects.all().delete()
        fleet.grow(1, size)
        update = factories.update(server, state="assigned", name=f"P-15 {size}")
        grown.append(apart(lambda update=update: assignment.assign(update)))
    return grown[0], grown[1]


def main() -> None:
    """Measure P-15 on the database of this process."""
    home = bench_zone.enter()
    from tests.support import zone as support_zone

    support_zone.found(home / "ps-01")
    large, where = bench_zone.size("PEAK", 100_000), bench_zone.database()
    for what, act in (("signing", signing), ("assigning", assigning)):
        few, many = act(large)
        told = {"grown_at_1000_mib": few, "grown_at_size_mib": many}
        name = f"peak memory of {what} {large:,} over that of 1,000, {where}: MiB"
        tell(Row("P-15", name, many - few, most=10.0, detail=told))


if __name__ == "__main__":
    main()
