"""No process that holds keys leaves a core dump or a file for others (S-37)."""

import resource
import runpy
import subprocess
import sys

import pytest

from zac.cli import commands
from zcc.runtime import processes
from zcc.runtime.components import BASE_DIR

NONE = (resource.RLIMIT_CORE, (0, 0))


@pytest.fixture
def limits(monkeypatch):
    found = []
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: found.append(limit))
    return found


def test_the_agent_dumps_no_core(limits, tmp_path):
    assert commands.main(["--home", str(tmp_path), "status"]) != 64
    assert NONE in limits


def test_a_command_of_the_console_dumps_no_core(limits, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["manage.py", "help"])
    monkeypatch.setattr("django.core.management.execute_from_command_line", lambda _line: None)
    runpy.run_path(str(BASE_DIR / "manage.py"), run_name="__main__")
    assert NONE in limits


def test_every_part_that_is_started_is_hardened(limits, monkeypatch):
    masks: list[int] = []
    monkeypatch.setattr("os.umask", masks.append)
    processes.harden()
    assert limits == [NONE]
    assert masks == [0o077]
    for module in ("zcc.runtime.launcher", "zcc.runtime.listener", "zcc.start"):
        text = (BASE_DIR / f"{module.replace('.', '/')}.py").read_text()
        assert "processes.harden()" in text, module


def test_the_limit_is_handed_on_to_children():
    code = (
        "import resource, subprocess, sys; from zcc.runtime import processes; processes.harden();"
        "print(subprocess.check_output([sys.executable, '-c',"
        " 'import resource; print(resource.getrlimit(resource.RLIMIT_CORE))']).decode())"
    )
    line = [sys.executable, "-c", code]
    said = subprocess.run(line, cwd=BASE_DIR, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "(0, 0)"
