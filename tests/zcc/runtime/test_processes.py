"""No process that holds keys leaves a core dump or a file for others (S-37)."""

import fcntl
import resource
import runpy
import socket
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


def test_listing_sockets_keeps_the_locks_of_this_process(tmp_path):
    """SQLite needs these locks. Closing a duplicate of a descriptor would end them (fcntl)."""
    path = tmp_path / "file"
    attempt = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with socket.create_server(("127.0.0.1", 0)) as server, path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        found = [number for number, _socket in processes.list_sockets(server.getsockname()[1])]
        assert found == [server.fileno()]
        done = subprocess.run([sys.executable, "-c", attempt], check=False, capture_output=True)
        assert b"BlockingIOError" in done.stderr
        assert server.getsockname()[1], "the socket is still open"
