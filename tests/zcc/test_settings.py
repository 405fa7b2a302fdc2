"""Settings that depend on the environment."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest
from axes.apps import AppConfig
from django.core.management import call_command

from zcc import settings

SESSION = "-c idle_in_transaction_session_timeout=30s -c jit=off"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", SESSION),
        ("?sslmode=verify-full", SESSION),
        ("?options=-c%20search_path=zcc", f"{SESSION} -c search_path=zcc"),
    ],
)
def test_a_suspended_server_does_not_lock_postgresql_for_long(monkeypatch, query, expected):
    """D-189. Options of the URL are kept."""
    monkeypatch.setenv("ZCC_DATABASE_URL", f"postgresql://zcc@db.example/zcc{query}")
    database = runpy.run_path(settings.__file__)["DATABASES"]["default"]
    assert database["OPTIONS"]["options"] == expected


def test_a_pooler_gets_no_options_that_it_rejects(monkeypatch):
    """D-189. It ends suspended transactions itself."""
    monkeypatch.setenv("ZCC_DATABASE_URL", "postgresql://zcc@db.example/zcc")
    monkeypatch.setenv("ZCC_DATABASE_POOLED", "true")
    database = runpy.run_path(settings.__file__)["DATABASES"]["default"]
    assert "options" not in database.get("OPTIONS", {})


@pytest.mark.django_db
def test_the_migrations_describe_the_models():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    ("vault", "setting", "expected"),
    [("", "", False), ("/var/lib/zcc-ca", "", True), ("/var/lib/zcc-ca", "0", False)],
)
def test_ca_key_jobs_need_a_confirmation_if_the_ca_vault_is_separate(
    monkeypatch, vault, setting, expected
):
    monkeypatch.setenv("ZCC_CA_VAULT", vault)
    monkeypatch.setenv("ZCC_CONFIRM_KEY_JOBS", setting)
    assert runpy.run_path(settings.__file__)["CONFIRM_KEY_JOBS"] is expected


def test_a_command_prints_nothing_but_its_own_output(tmp_path):
    environment = {"PATH": os.environ["PATH"], "ZCC_HOME": str(tmp_path)}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_commands_do_not_start_with_a_log_line(monkeypatch, caplog):
    monkeypatch.setattr(AppConfig, "initialized", False)
    caplog.set_level("DEBUG")
    AppConfig.initialize()
    assert caplog.records == []
