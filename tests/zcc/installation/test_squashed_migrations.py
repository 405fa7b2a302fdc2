"""A new database gets the squashed migrations, and has the schema of one that had each of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tests.support import postgres

MODES = ("", "each")


@pytest.fixture
def names(tmp_path: Path, transactional_db: None) -> Iterator[list[str]]:
    """Yield the names of two new databases."""
    if not postgres.wanted():
        yield [str(tmp_path / f"{number}.sqlite3") for number in range(2)]
        return
    found = [f"schema_{os.getpid()}_{number}" for number in range(2)]
    with connection.cursor() as cursor:
        for name in found:
            cursor.execute(f'CREATE DATABASE "{name}"')
    yield found
    with connection.cursor() as cursor:
        for name in found:
            cursor.execute(f'DROP DATABASE "{name}"')


def create(name: str, mode: str) -> dict[str, Any]:
    """Create a database in a process of its own and return its schema."""
    command = [sys.executable, "-m", "tests.support.schema", name, mode]
    environment = dict(os.environ)
    if postgres.wanted():
        settings = connection.settings_dict
        environment[postgres.WANTED] = f"postgres://zcc@/zcc?host={settings['HOST']}"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    schema: dict[str, Any] = json.loads(done.stdout)
    return schema


def test_the_squashed_migrations_create_the_same_schema(names: list[str]) -> None:
    squashed, each = (create(name, mode) for name, mode in zip(names, MODES, strict=True))
    assert squashed["triggers"] == each["triggers"]
    assert len(each["triggers"]) >= 2
    assert squashed["tables"].keys() == each["tables"].keys()
    for table, expected in each["tables"].items():
        assert squashed["tables"][table] == expected, table


@pytest.mark.django_db
def test_a_database_that_has_the_replaced_migrations_needs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after an upgrade: they are recorded, and the squashed one is not."""
    loader = MigrationLoader(connection)
    squashed = {key: one for key, one in loader.disk_migrations.items() if one.replaces}
    own = {key: one for key, one in squashed.items() if len(one.replaces) > 6}
    assert len(own) == 7
    applied: dict[Any, Any] = {
        key: one for key, one in loader.applied_migrations.items() if key not in own
    }
    for one in own.values():
        applied.update(dict.fromkeys((app, name) for app, name in one.replaces))
    recorder = "django.db.migrations.recorder.MigrationRecorder.applied_migrations"
    monkeypatch.setattr(recorder, lambda _self: dict(applied))
    after = MigrationLoader(connection)
    assert set(own) <= set(after.applied_migrations)
    # One that has only a part of them runs the rest, and not the squashed one.
    del applied["certificates", "0027_est"]
    assert ("certificates", "0001_squashed_0027_est") not in MigrationLoader(connection).graph.nodes
