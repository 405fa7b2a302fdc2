"""Every line that a component writes is JSON with time, level, and part (D-186)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from zcc.runtime import broker, components, launcher
from zcc.runtime.components import BASE_DIR

DATABASE = "ZCC_DATABASE_URL"
GUID = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The data directory of a server that has joined a zone, without database and certificate."""
    (tmp_path / "device.json").write_text(json.dumps({"id": GUID}))
    return tmp_path


@pytest.fixture
def valkey(home: Path) -> Iterator[str]:
    """A broker; returns its URL."""
    process = subprocess.Popen(broker.build_program(home).arguments, stdout=subprocess.DEVNULL)
    wait_until(lambda: broker.is_ready(home))
    yield broker.get_url(home)
    process.kill()
    process.wait()


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Component:
    """A running component, whose output is in one file."""

    def __init__(self, home: Path, command: list[str], **environment: str) -> None:
        self._log = home / "component.log"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                cwd=BASE_DIR,
                env={
                    **{name: value for name, value in os.environ.items() if name != DATABASE},
                    "ZCC_HOME": str(home),
                    "ZCC_SERVER_HOME": str(home),
                    "ZCC_LOG_FORMAT": "json",
                    "DJANGO_SETTINGS_MODULE": "zcc.settings",
                    **environment,
                },
            )

    def wrote(self, text: str) -> bool:
        """Return True if the output contains a text."""
        return text in self._log.read_text()

    def children(self) -> list[psutil.Process]:
        """Return the child processes."""
        return psutil.Process(self.process.pid).children()

    def stop(self) -> list[dict[str, Any]]:
        """Stop the component; return its lines, each of which must be JSON."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        assert lines
        for line in lines:
            assert datetime.fromisoformat(line["time"]).tzinfo is not None
            assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        return lines


def test_the_worker_and_its_child_processes(home: Path, valkey: str) -> None:
    command = components.worker(home, "ps-01", concurrency=1)
    worker = Component(home, command, ZCC_PART="worker", ZCC_BROKER_URL=valkey)
    wait_until(worker.children)
    (child,) = worker.children()
    child.kill()
    wait_until(lambda: worker.wrote("signal 9"))
    lines = worker.stop()
    assert {line["part"] for line in lines} == {"worker"}
    (killed,) = [line for line in lines if "signal 9" in line["message"]]
    assert killed["level"] == "ERROR"


def test_beat_reports_a_broker_that_is_missing(home: Path) -> None:
    missing = broker.get_url(home)
    beat = Component(home, components.beat(), ZCC_PART="beat", ZCC_BROKER_URL=missing)
    wait_until(lambda: beat.wrote("Connection error"))
    assert {line["part"] for line in beat.stop()} == {"beat"}


@pytest.mark.parametrize("part", ["web", "agent"])
def test_a_component_that_is_waiting(home: Path, part: str) -> None:
    """The agent waits for a zone, and the web server for the migrations."""
    (home / "device.json").unlink()
    command = [sys.executable, "-m", "zcc.start", part]
    url = f"sqlite:///{home}/empty.sqlite3"
    waiting = Component(home, command, ZCC_DATABASE_URL=url)
    wait_until(lambda: waiting.wrote("waiting for"))
    assert waiting.process.poll() is None
    assert {line["part"] for line in waiting.stop()} == {part}


def test_settings_that_are_not_valid_are_one_line(home: Path) -> None:
    command = components.web("127.0.0.1", 59443, home)
    wrong = Component(home, command, ZCC_DATABASE_URL="://")
    assert wrong.process.wait(60) == 1
    (line,) = wrong.stop()
    assert (line["part"], line["level"]) == ("web", "CRITICAL")
    assert "Traceback" in line["exception"]


def test_a_component_that_cannot_start_says_why(home: Path) -> None:
    command = [sys.executable, "-m", "zcc.start", "web"]
    wrong = Component(home, command, ZCC_PORT="https")
    assert wrong.process.wait(60) == 1
    (line,) = wrong.stop()
    assert (line["part"], line["level"]) == ("web", "ERROR")
    assert "ZCC_PORT must be a number" in line["message"]


def test_the_launcher_writes_json_only_if_it_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ZCC_LOG_FORMAT", raising=False)
    launcher.print_line("ZCC is ready")
    monkeypatch.setenv("ZCC_LOG_FORMAT", "json")
    launcher.print_line("ZCC is ready")
    text, line = capsys.readouterr().out.splitlines()
    assert text == "ZCC is ready"
    written = json.loads(line)
    assert (written["part"], written["level"], written["message"]) == ("launcher", "INFO", text)
