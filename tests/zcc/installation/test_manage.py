"""`zcc-manage` runs commands with the settings of the services, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zcc.installation import manage
from zcc.runtime.components import BASE_DIR


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    settings = tmp_path / "zcc.env"
    settings.write_text("ZCC_SERVER_NAME=ps-01\nZCC_HOME=/srv/zcc\n")
    found: list[object] = []
    monkeypatch.setattr(manage, "SETTINGS_FILE", settings)
    monkeypatch.setattr(manage, "become_user", lambda: found.append("became zcc"))
    monkeypatch.setattr(os, "execve", lambda *line: found.extend(line[1:]))
    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    return found


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["zcc-manage", *arguments])
    manage.main()


def test_a_command_has_the_settings_of_the_services(
    executed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "evil")
    monkeypatch.setenv("ZCC_DATABASE_URL", "sqlite:///evil")
    run(monkeypatch, "verify_audit", "--accept", "Restored")
    user, command, environment = executed
    assert user == "became zcc"
    manage_py = str(BASE_DIR / "manage.py")
    assert command == [sys.executable, "-P", manage_py, "verify_audit", "--accept", "Restored"]
    assert isinstance(environment, dict)
    assert environment["ZCC_SERVER_NAME"] == "ps-01"
    assert environment["ZCC_HOME"] == "/srv/zcc", "the settings file overrides the paths"
    assert environment["ZCC_DATABASE_URL_FILE"] == "/etc/zcc/secrets/database_url"
    assert not {"DJANGO_SETTINGS_MODULE", "ZCC_DATABASE_URL"} & set(environment)


def test_join_registers_this_server(
    executed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "join", "https://ps-01.example.com:8443")
    start = [sys.executable, "-P", "-m", "zcc.start"]
    assert executed[1] == [*start, "join", "https://ps-01.example.com:8443"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory"), ("A\n", "line 1: a line must be NAME=VALUE")],
)
def test_without_valid_settings_nothing_is_run(
    executed: list[object],
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
    message: str,
) -> None:
    manage.SETTINGS_FILE.unlink()
    if content:
        manage.SETTINGS_FILE.write_text(content)
    with pytest.raises(SystemExit, match=message) as caught:
        run(monkeypatch, "verify_audit")
    assert "Nothing was run. Correct" in str(caught.value)
    assert executed == []


def test_without_the_user_nothing_is_run(
    executed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(manage, "USER", "zcc-absent")
    monkeypatch.setattr(manage, "build_environment", lambda _inherited: {})
    with pytest.raises(SystemExit, match=r"user zcc-absent does not exist\. Nothing was run"):
        run(monkeypatch, "verify_audit")
    assert executed == []


def test_modules_in_the_current_directory_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "zcc").mkdir()
    (tmp_path / "zcc" / "__init__.py").write_text("raise SystemExit('evil')")
    (tmp_path / "pwd.py").write_text("raise SystemExit('evil')")
    done = subprocess.run(
        [BASE_DIR / "deploy" / "zcc-manage"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == manage.USAGE_ERROR, done.stderr
    assert "usage: zcc-manage" in done.stderr
