"""SQL as an attacker with the password of the database would run it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection, models


def insert(row: models.Model, **values: Any) -> None:
    """Insert a copy of a row with other values, past all code of the console."""
    fields = row._meta.concrete_fields
    given = {
        field.column: field.get_db_prep_save(
            values.get(field.attname, getattr(row, field.attname)), connection
        )
        for field in fields
    }
    names = ", ".join(f'"{name}"' for name in given)
    marks = ", ".join(["%s"] * len(given))
    run(f'INSERT INTO "{row._meta.db_table}" ({names}) VALUES ({marks})', list(given.values()))


def change(row: models.Model, **values: Any) -> None:
    """Change columns of a row, past all code of the console."""
    fields = {field.attname: field for field in row._meta.concrete_fields}
    columns = ", ".join(f'"{fields[name].column}" = %s' for name in values)
    given = [fields[name].get_db_prep_save(value, connection) for name, value in values.items()]
    pk: Any = row._meta.pk
    key = pk.get_db_prep_value(row.pk, connection)
    run(f'UPDATE "{row._meta.db_table}" SET {columns} WHERE "{pk.column}" = %s', [*given, key])


def run(statement: str, values: list[Any]) -> None:
    """Run one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def guid(number: int) -> UUID:
    """Return a GUID for an inserted row."""
    return UUID(int=number)
