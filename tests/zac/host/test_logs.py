"""Log lines of the agent: text or JSON, with time, level, and part (D-186)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zac.cli import commands
from zac.host import logs
from zac.host.home import Home
from zac.host.host import Host
from zac.host.logs import LogLine


@pytest.fixture
def is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines are JSON."""
    monkeypatch.setenv("ZCC_LOG_FORMAT", "json")


@pytest.mark.usefixtures("is_json")
def test_a_line_has_time_level_and_part(capsys: pytest.CaptureFixture[str]) -> None:
    logs.write(LogLine(logs.WARNING, "contact: ps-01 did not respond."))
    written = json.loads(capsys.readouterr().err)
    at = datetime.fromisoformat(written.pop("time"))
    assert at.tzinfo is not None
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert written == {
        "level": "WARNING",
        "part": "agent",
        "message": "contact: ps-01 did not respond.",
    }


@pytest.mark.usefixtures("is_json")
def test_an_event_is_a_line_with_its_details(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host(Home(str(tmp_path)))
    host.write_log = logs.write
    host.log_event("step", update="update-1", step="armed")
    host.log_event("failed", update="update-1", reason='disk "full"\nlevel=INFO')
    host.log_event("recovery-rejected", reason="old", level="INFO", part="web")
    step, failed, rejected = map(json.loads, capsys.readouterr().err.splitlines())
    assert step["message"] == "step update=update-1 step=armed"
    assert (step["event"], step["update"], step["step"]) == ("step", "update-1", "armed")
    assert [line["level"] for line in (step, failed, rejected)] == ["INFO", "WARNING", "WARNING"]
    assert failed["reason"] == 'disk "full"\nlevel=INFO'
    assert rejected["part"] == "agent"


def test_without_the_setting_a_line_is_text_and_stays_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for setting in ("", "text", "xml"):
        monkeypatch.setenv("ZCC_LOG_FORMAT", setting)
        logs.write(LogLine(logs.INFO, "replaced é: /etc\nswitched\x1b[2J"))
    assert capsys.readouterr().err == "replaced é: /etc\\nswitched\\x1b[2J\n" * 3


@pytest.mark.parametrize("where", ["main", "thread"])
def test_an_uncaught_exception_is_one_line(where: str) -> None:
    raised = {
        "main": "raise RuntimeError('no\\nkey')",
        "thread": "import threading\ndef f(): raise RuntimeError('no\\nkey')\n"
        "t = threading.Thread(target=f); t.start(); t.join()",
    }[where]
    done = subprocess.run(
        [sys.executable, "-c", f"from zac.host import logs\nlogs.log_uncaught_errors()\n{raised}"],
        env={**os.environ, "ZCC_LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    written = json.loads(line)
    assert (written["level"], written["part"]) == ("CRITICAL", "agent")
    assert written["message"] == "RuntimeError: no\nkey"
    assert written["exception"].startswith("Traceback")


def test_the_service_reports_why_it_ends_as_json(tmp_path: Path) -> None:
    """A service without an identity reports this and ends."""
    done = subprocess.run(
        [sys.executable, "-m", "zac.service", str(tmp_path)],
        env={**os.environ, "ZCC_LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 3
    assert [(line["level"], line["part"]) for line in lines] == [("ERROR", "agent")]
    assert done.stdout == ""


@pytest.mark.parametrize("option", ["json", "text"])
def test_the_option_is_passed_to_the_service(
    device: Host, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    started: list[str] = []
    monkeypatch.setenv("ZCC_LOG_FORMAT", "")
    monkeypatch.setattr(os, "execv", lambda program, command: started.extend(command))
    commands.main(["--home", device.home.path, "run", "--log-format", option])
    assert started[-1] == device.home.path
    assert os.environ["ZCC_LOG_FORMAT"] == option
