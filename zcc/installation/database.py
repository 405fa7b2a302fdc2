"""The database settings, and waiting for the database and its migrations at the start."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dj_database_url
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError

from faults import Unavailable
from zcc.runtime import layout

log = logging.getLogger("zcc.start")
NO_DATABASE = "zcc.installation.no_database"
SESSION = (
    # A server that is suspended in a transaction must not block the others (D-189).
    "-c idle_in_transaction_session_timeout=30s",
    # Compiling the statement of the scheduler takes longer than executing it (D-340).
    "-c jit=off",
)
POLL_SECONDS = 1.0
WAIT_SECONDS = 60.0


def get_demo_url(home: Path) -> str:
    """Return the URL of the SQLite database of a demo zone."""
    return f"sqlite:///{quote(str(home / 'zcc.sqlite3'))}"


def get_settings(url: str, home: Path, *, is_pooled: bool = False) -> dict[str, Any]:
    """Return Django's settings of the database in a URL.

    `is_pooled` is True if a pooler gives each transaction another connection.

    Without a URL, they are those of the demo zone in `home`. Without a demo zone, every use of the
    database raises ImproperlyConfigured, because a new SQLite file is not what anyone expects.
    """
    if not url and not (home / layout.FILE).exists():
        return {"ENGINE": NO_DATABASE}
    settings: dict[str, Any] = dict(
        dj_database_url.parse(
            url or get_demo_url(home),
            conn_max_age=60,
            # Detect connections that a restart of the database has closed.
            conn_health_checks=True,
            disable_server_side_cursors=is_pooled,
        )
    )
    if settings["ENGINE"].endswith("sqlite3"):
        # Writers wait for each other instead of failing.
        settings["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # With the default of 2 MiB, a large assignment reads its index from disk repeatedly.
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
            ),
        }
    elif not is_pooled:
        options = settings.setdefault("OPTIONS", {})
        options["options"] = " ".join([*SESSION, *filter(None, [options.get("options")])])
    return settings


def wait_for_database(seconds: float = WAIT_SECONDS) -> None:
    """Wait until the database accepts connections. Raises Unavailable after some seconds."""
    end = time.monotonic() + seconds
    while reason := _find_obstacle():
        if time.monotonic() >= end:
            raise Unavailable(
                f"The database did not respond within {seconds:.0f} seconds: {reason} "
                "No migration was applied.",
                action="Check ZCC_DATABASE_URL, and that the database is running.",
            )
        time.sleep(POLL_SECONDS)
    connections.close_all()


def wait_for_migrations() -> None:
    """Wait until the migrations of this release have been applied.

    If the database does not respond, the component starts: it reports that, and reconnects.
    """
    is_logged = False
    while _find_pending():
        if not is_logged:
            log.info("waiting for the migrations of the database (zcc.start migrate)")
            is_logged = True
        time.sleep(POLL_SECONDS)
    connections.close_all()


def _find_obstacle() -> str:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        return str(error).strip()
    return ""


def _find_pending() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except OperationalError:
        return False
