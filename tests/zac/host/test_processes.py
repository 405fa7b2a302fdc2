"""Programs that the agent runs: time limit, process group, environment, and output."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from zac.host import processes

SHELL = "/bin/sh"


def run(script: str, limit: float = 20.0, **environment: str) -> processes.Finished:
    return processes.run([SHELL, "-c", script], limit=limit, environment=environment)


def is_running(pid: int) -> bool:
    """Return True if a process runs. A child of the container's init can remain as a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_exit_code_and_last_line_are_returned() -> None:
    done = run("echo one; echo two >&2; echo; exit 3")
    assert (done.exit_code, done.last_line) == (3, "two")
    assert not done.is_late


def test_a_program_gets_no_other_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAC_KEY", "zcc1-secret")
    monkeypatch.setenv("LD_PRELOAD_TEST", "x")
    names = {line.split("=")[0] for line in run("env", OWN="1").output.splitlines()}
    # PWD, OLDPWD, SHLVL, and _ are those of the shell.
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "LANG", "LC_ALL", "OWN"}


def test_the_whole_group_is_killed_at_the_time_limit(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    done = run(f"sleep 600 & echo $! > {pid_file}; sleep 600", limit=1.0)
    assert done.is_late
    assert done.exit_code == -signal.SIGKILL
    pid = int(pid_file.read_text())
    until = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < until, "the child of the program is still running"
        time.sleep(0.02)


def test_a_service_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    done = run(f"sleep 600 & echo $! > {pid_file}; echo started", limit=300.0)
    try:
        assert (done.exit_code, done.last_line, done.is_late) == (0, "started", False)
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_only_the_end_of_a_long_output_is_kept() -> None:
    done = run("yes | head -c 1000000; echo; echo end")
    assert len(done.output) <= processes.MAX_OUTPUT_BYTES
    assert done.last_line == "end"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert "\0" not in run(r"printf 'a\000b\377'").output


def test_a_missing_program_has_the_exit_code_of_a_shell() -> None:
    done = processes.run(["/nonexistent/program"], limit=1.0, environment={})
    assert done.exit_code == processes.NOT_FOUND
    assert "/nonexistent/program" in done.last_line


def test_the_caller_can_stop_a_program() -> None:
    done = processes.run(
        [SHELL, "-c", "sleep 600"], limit=300.0, environment={}, is_stopped=lambda: True
    )
    assert done.is_stopped
    assert done.exit_code == -signal.SIGKILL
