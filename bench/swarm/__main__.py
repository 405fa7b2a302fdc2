"""P-13: agents with the code of zac enroll, refresh, prepare and activate a CA change, and recover.

Three runs of different sizes, each in a zone of its own: two for a model of the console, and the
largest one to check it. ZCC_BENCH_AGENTS is the size of the largest one, ZCC_BENCH_CONSOLES the
number of consoles, ZCC_BENCH_WORKERS the number of processes of agents, which is the number of
calls at the same time, and ZCC_BENCH_PACE how many devices this machine serves per second. All
figures of all runs are written to bench/swarm-<database>.json.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import zone as bench_zone
from bench.results import tell
from bench.swarm import phases, report
from bench.swarm.measurements import Run
from bench.swarm.plan import Plan, get_sizes
from tests.support import postgres

AGENTS = 3000
# For each processor; measured with the agents on the same machine.
PACE = 4.0
MEMORY = Path("/dev/shm")
BYTES_PER_AGENT = 200_000


def find_folder_for_agents(agents: int) -> str | None:
    """Return a folder in memory with space for the data directories of agents, None for the usual.

    Real agents have disks of their own, so theirs must not slow down the console.
    """
    if not MEMORY.is_dir():
        return None
    free = shutil.disk_usage(MEMORY).free
    return str(MEMORY) if free > 2 * agents * BYTES_PER_AGENT else None


def measure(agents: int, database: str) -> Run:
    """Run one size in temporary folders."""
    pace = float(os.environ.get("ZCC_BENCH_PACE", PACE * (os.cpu_count() or 1)))
    plan = Plan(
        agents,
        consoles=bench_zone.size("CONSOLES", 1),
        workers=bench_zone.size("WORKERS", Plan.workers),
        pace=pace,
    )
    with (
        TemporaryDirectory(prefix="zcc-bench-") as folder,
        TemporaryDirectory(prefix="zcc-swarm-", dir=find_folder_for_agents(agents)) as homes,
    ):
        return phases.measure(plan, Path(folder), Path(homes), database)


def save(runs: Sequence[Run], database: str) -> Path:
    """Write all figures of the runs so far to a file, and return its path."""
    path = Path(__file__).parents[1] / f"swarm-{database.lower()}.json"
    path.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return path


def main() -> None:
    """Measure P-13 on the database of this process."""
    database = "PostgreSQL" if postgres.wanted() else "SQLite"
    runs: list[Run] = []
    for agents in get_sizes(bench_zone.size("AGENTS", AGENTS)):
        runs.append(measure(agents, database))
        save(runs, database)
    for row in report.build_rows(runs):
        tell(row)


if __name__ == "__main__":
    main()
