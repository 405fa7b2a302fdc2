"""How much work the database does for a request, without measuring time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

STEPS = 10
READ = (
    "SELECT COALESCE(SUM(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)), 0) "
    "FROM pg_stat_xact_user_tables"
)


class Work:
    """The work of a block: rows read on PostgreSQL, steps of the virtual machine on SQLite."""

    def __init__(self) -> None:
        self.done = 0


@contextmanager
def measured() -> Iterator[Work]:
    """Measure the work of a block. On PostgreSQL, it must be in one transaction."""
    work = Work()
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        # Small tables are read completely otherwise, whatever indexes they have. With 16,000
        # devices, the planner selects the indexes itself.
        with connection.cursor() as cursor:
            for option in ("seqscan", "hashjoin", "mergejoin"):
                cursor.execute(f"SET LOCAL enable_{option} = off")
        before = _rows_read()
        yield work
        work.done = _rows_read() - before
        return

    def count() -> int:
        work.done += STEPS
        return 0

    database: Any = connection.connection
    database.set_progress_handler(count, STEPS)
    try:
        yield work
    finally:
        database.set_progress_handler(None, STEPS)


def _rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(READ)
        return int(cursor.fetchone()[0])


def analyze() -> None:
    """Update the planner statistics, as a database in production has them."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
