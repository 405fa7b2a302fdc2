"""The console behind PgBouncer with transaction pooling.

`ZCC_TEST_DATABASE=pgbouncer pytest ...` runs any test of the database in this way.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import pgbouncer, postgres
from zcc.runtime.components import BASE_DIR

DATABASE = "pooled"
# A cursor on the server lives as long as its connection, here: one transaction.
READ_SESSIONS = """
import django
django.setup()
from django.contrib.sessions.models import Session
from django.utils import timezone
Session.objects.all().delete()
now = timezone.now()
Session.objects.bulk_create(Session(session_key=str(n), expire_date=now) for n in range(5))
print(sum(1 for _ in Session.objects.order_by("pk").iterator(chunk_size=2)))
"""


@pytest.fixture(scope="module")
def folder() -> Path:
    """A cluster with PgBouncer and the table of sessions."""
    place = Path(os.environ.get(postgres.RUNNING) or postgres.start())
    if not (place / f".s.PGSQL.{pgbouncer.PORT}").exists():
        pgbouncer.start(place, postgres.account())
    create = [postgres._program("psql"), "-h", str(place), "-U", "zcc", "-qc"]
    subprocess.run([*create, f"CREATE DATABASE {DATABASE}", "postgres"], check=True)
    done = run(place, "manage.py", "migrate", "sessions", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    return place


def run(folder: Path, *command: str, pooled: str = "true") -> subprocess.CompletedProcess[str]:
    """Run Python with the settings of the product and a database URL that names PgBouncer."""
    host = quote(str(folder), safe="")
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "zcc.settings",
        "ZCC_HOME": str(folder),
        "ZCC_DATABASE_URL": f"postgres://zcc@{host}:{pgbouncer.PORT}/{DATABASE}",
        "ZCC_DATABASE_POOLED": pooled,
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_long_tables_are_read_with_the_setting(folder: Path) -> None:
    done = run(folder, "-c", READ_SESSIONS)
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


def test_the_setting_is_necessary(folder: Path) -> None:
    done = run(folder, "-c", READ_SESSIONS, pooled="false")
    assert done.returncode == 1
    assert "unsupported startup parameter: options" in done.stderr
