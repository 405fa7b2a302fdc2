"""No process outside a demo zone uses SQLite unasked, and components wait for the database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db.utils import OperationalError

from faults import Unavailable
from zcc import start
from zcc.installation import database
from zcc.runtime import layout
from zcc.runtime.components import BASE_DIR

MISSING = "ZCC_DATABASE_URL is not set, and ZCC_HOME contains no demo zone. Nothing was changed."


def run(home: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "ZCC_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("command", ["migrate", "verify_audit"])
def test_a_command_without_a_database_fails_and_creates_none(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, "manage.py", command)
    assert done.returncode == 1
    assert MISSING in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["web", "migrate"])
def test_a_component_without_a_database_does_not_start(tmp_path: Path, part: str) -> None:
    done = run(tmp_path, "-m", "zcc.start", part, ZCC_SERVER_HOME=str(tmp_path))
    assert done.returncode == 1
    assert MISSING in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_zone_has_its_own_database(tmp_path: Path) -> None:
    assert database.get_settings("", tmp_path)["ENGINE"] == database.NO_DATABASE
    (tmp_path / layout.FILE).write_text("{}")
    found = database.get_settings("", tmp_path)
    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == str(tmp_path / "zcc.sqlite3")
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_a_given_database_is_used_for_a_demo_zone_too(tmp_path: Path) -> None:
    (tmp_path / layout.FILE).write_text("{}")
    found = database.get_settings("postgresql://zcc:x@db.example.com/zcc", tmp_path)
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert found["HOST"] == "db.example.com"
    assert found["CONN_HEALTH_CHECKS"] is True


def test_migrate_gives_up_on_a_database_that_does_not_respond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "_find_obstacle", lambda: "connection refused.")
    with pytest.raises(Unavailable, match=r"within 0 seconds: connection refused\.") as caught:
        database.wait_for_database(0)
    assert "No migration was applied." in str(caught.value)
    assert "ZCC_DATABASE_URL" in caught.value.action


def test_migrate_starts_when_the_database_responds(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = ["starting up", "starting up", ""]
    monkeypatch.setattr(database, "_find_obstacle", lambda: reasons.pop(0))
    monkeypatch.setattr(database, "POLL_SECONDS", 0)
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    assert start.migrate()[-2:] == ["migrate", "--noinput"]
    assert reasons == []


def test_components_wait_until_the_migrations_are_applied(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pending = [True, True, False]
    monkeypatch.setattr(database, "_find_pending", lambda: pending.pop(0))
    monkeypatch.setattr(database, "POLL_SECONDS", 0)
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    with caplog.at_level("INFO"):
        database.wait_for_migrations()
    assert pending == []
    assert caplog.text.count("waiting for the migrations") == 1


@pytest.mark.django_db
def test_pending_migrations_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert database._find_pending() is False
    monkeypatch.setattr(
        "django.db.migrations.recorder.MigrationRecorder.applied_migrations", lambda _self: {}
    )
    assert database._find_pending() is True


def test_a_component_starts_while_the_database_does_not_respond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(database, "MigrationExecutor", fail)
    assert database._find_pending() is False
