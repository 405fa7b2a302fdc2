"""Copy the database of the zone to a file, and restore such a file to another database.

PostgreSQL is copied and restored with its own programs, SQLite with its backup function. Both
copies are consistent while the zone is in use.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

from certificates.backup import programs
from faults import Unavailable

SQLITE, POSTGRESQL = "sqlite", "postgresql"
FILE_NAMES = {SQLITE: "database.sqlite3", POSTGRESQL: "database.dump"}


def get_kind() -> str:
    """Return the kind of the database: SQLITE or POSTGRESQL."""
    return connection.vendor


def dump(target: Path) -> None:
    """Copy the database of the zone to a new file. Raises Unavailable."""
    if get_kind() == POSTGRESQL:
        _run_client("pg_dump", ["--format=custom", f"--file={target}"], connection.settings_dict)
        return
    source = f"file:{quote(str(connection.settings_dict['NAME']))}?mode=ro"
    try:
        with closing(sqlite3.connect(source, uri=True)) as live, closing(_connect(target)) as copy:
            live.backup(copy)
    except sqlite3.Error as error:
        raise Unavailable(_("The database cannot be copied: %s.") % error) from error


@contextmanager
def restore(source: Path, kind: str, name: str) -> Iterator[str]:
    """Restore a copy to a database with this name, and yield its URL. It is deleted afterwards.

    On SQLite, the copy itself is used. Raises Unavailable if the copy cannot be restored here.
    """
    if kind != get_kind():
        raise Unavailable(
            _("The backup is of another kind of database (%s) than this zone.") % kind,
            action=_("Create a new backup."),
        )
    if kind == POSTGRESQL:
        with _create_database(name) as values:
            # Without owners: the roles of the live database may not exist on another server.
            options = ["--exit-on-error", "--no-owner", "--no-privileges"]
            _run_client("pg_restore", [*options, str(source), "--dbname"], values)
            yield build_url(values)
        return
    try:
        with closing(_connect(source)) as copy:
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise Unavailable(_("The database in the backup is damaged: %s.") % found[:200])
    yield f"sqlite:///{quote(str(source))}"


def build_url(values: dict[str, Any]) -> str:
    """Return the URL of a PostgreSQL database. `values` are its settings in Django."""
    user, password, host = (
        quote(str(values.get(key) or ""), safe="") for key in ("USER", "PASSWORD", "HOST")
    )
    login = f"{user}:{password}@" if password else f"{user}@"
    port = f":{values['PORT']}" if values.get("PORT") else ""
    options = {k: v for k, v in (values.get("OPTIONS") or {}).items() if isinstance(v, str)}
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{login}{host}{port}/{quote(values['NAME'], safe='')}{query}"


@contextmanager
def _create_database(name: str) -> Iterator[dict[str, Any]]:
    """Create an empty database on the server of the zone, yield its settings, and delete it."""
    quoted = connection.ops.quote_name(name)
    drop = f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"
    # A connection of its own: databases are not created within a transaction.
    with closing(connection.copy("drill")) as own:
        try:
            with own.cursor() as cursor:
                cursor.execute(drop)  # of a drill that was killed
                cursor.execute(f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8'")
        except DatabaseError as error:
            raise Unavailable(
                _("The database for the drill cannot be created: %s.") % str(error).splitlines()[0],
                action=_("Allow it to the database user: ALTER ROLE zcc CREATEDB."),
            ) from error
        try:
            yield {**connection.settings_dict, "NAME": name}
        finally:
            with own.cursor() as cursor:
                cursor.execute(drop)


def _run_client(program: str, parameters: Sequence[str], values: dict[str, Any]) -> None:
    """Run a client program of PostgreSQL. The name of the database is its last parameter."""
    arguments, secrets = connection.client.settings_to_cmd_args_env(values, list(parameters))
    programs.run([program, *arguments[1:]], {**os.environ, **(secrets or {})})


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path)
