"""Create a database with the migrations and print its schema as JSON.

`python -m tests.support.schema NAME` uses the squashed migrations, with `each` every one of those
that they replace. NAME is the file of an SQLite database or the name of a PostgreSQL database.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

CONSTRAINT_FIELDS = ("columns", "primary_key", "unique", "foreign_key", "check", "index", "orders")
TRIGGERS = {
    "sqlite": "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": ("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"),
}


def migrate(name: str, *, each: bool) -> None:
    """Apply all migrations to a new database, which is the default one of this process."""
    from django.core.management import call_command
    from django.db import connection

    connection.settings_dict["NAME"] = name
    if each:
        leave_out_squashed(setattr)
    call_command("migrate", verbosity=0)


def leave_out_squashed(replace: Callable[[Any, str, Any], None]) -> None:
    """Have Django ignore squashed migrations. `replace` is `setattr` or that of monkeypatch."""
    from django.db.migrations.loader import MigrationLoader

    load = MigrationLoader.load_disk

    def load_each(loader: MigrationLoader) -> None:
        load(loader)
        for key, migration in list(loader.disk_migrations.items()):
            if migration.replaces:
                del loader.disk_migrations[key]

    replace(MigrationLoader, "load_disk", load_each)


def describe() -> dict[str, Any]:
    """Return columns, constraints, and triggers of all tables, without the order of columns.

    The names of constraints are part of it only if a model has chosen them: others contain the name
    that a column had when it was created.
    """
    from django.apps import apps
    from django.db import connection

    chosen = {
        one.name
        for model in apps.get_models(include_auto_created=True)
        for one in (*model._meta.constraints, *model._meta.indexes)
    }
    tables = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            columns = connection.introspection.get_table_description(cursor, table)
            found = connection.introspection.get_constraints(cursor, table)
            constraints = [
                [name if name in chosen else "", *(one.get(field) for field in CONSTRAINT_FIELDS)]
                for name, one in found.items()
            ]
            tables[table] = {
                "columns": sorted(
                    [
                        one.name,
                        str(one.type_code),
                        one.display_size,
                        one.null_ok,
                        str(one.default),
                        one.collation,
                    ]
                    for one in columns
                ),
                "constraints": sorted(json.dumps(one, default=str) for one in constraints),
            }
        cursor.execute(TRIGGERS[connection.vendor])
        triggers = sorted(map(list, cursor.fetchall()))
    return {"tables": tables, "triggers": triggers}


def main(name: str, mode: str = "") -> None:
    """Create the database and print its schema."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    migrate(name, each=mode == "each")
    sys.stdout.write(json.dumps(describe(), sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
