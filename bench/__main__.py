"""Run each benchmark in its own process, print the table, and write bench/results.json.

`python -m bench` runs all, `python -m bench signing refresh` some. A benchmark that ends with
an error makes the exit code 1; a limit that was missed is shown in its row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench.results import Row, read

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
BOTH = (SQLITE, POSTGRESQL)
# Each module or package of this folder with a main(), and the databases it is run on.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "signing": (SQLITE,),
    "server_table": BOTH,
    "refresh": BOTH,
    "polling": BOTH,
    "pages": BOTH,
    "assignments": BOTH,
    "memory": (SQLITE,),
    "peak_memory": BOTH,
    "comparison": (SQLITE,),
    "verification": (SQLITE,),
    "swarm": BOTH,
}
RESULTS = Path(__file__).with_name("results.json")
LIMIT_SECONDS = 900


def run(module: str, database: str) -> Iterator[Row]:
    """Run one benchmark on one database and yield its rows."""
    environment = {**os.environ, "ZCC_TEST_DATABASE": "" if database == SQLITE else database}
    with subprocess.Popen(
        [sys.executable, "-m", f"bench.{module}"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        for line in started.stdout:
            row = read(line)
            if row is not None:
                yield row
        if started.wait(LIMIT_SECONDS) != 0:
            raise RuntimeError(f"bench.{module} on {database} ended with {started.returncode}")


def main(wanted: list[str]) -> int:
    """Run the selected benchmarks, or all; return the exit code."""
    unknown = set(wanted) - set(BENCHMARKS)
    if unknown:
        print(f"bench: there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 64
    rows, failed = [], []
    for module in wanted or BENCHMARKS:
        for database in BENCHMARKS[module]:
            try:
                for row in run(module, database):
                    print(row.line(), flush=True)
                    rows.append({**asdict(row), "limit": row.limit, "verdict": row.verdict})
            except RuntimeError as error:
                failed.append(str(error))
                print(f"bench: {error}", file=sys.stderr)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    missed = [str(row["name"]) for row in rows if row["verdict"] == "MISSED"]
    print(f"{len(rows)} figures, {len(missed)} missed{': ' if missed else ''}{', '.join(missed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
