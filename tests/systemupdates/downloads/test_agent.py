"""The agent as a zip application: its build, and that it runs with a bare Python."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from systemupdates.downloads import agent, archive
from zac import RELEASE

PYTHON = "/usr/bin/python3"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "zac.pyz"
    path.write_bytes(agent.build_agent())
    path.chmod(0o755)
    return path


def run(folder: Path, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_build_is_reproducible() -> None:
    first = agent.build_agent()
    agent.build_agent.cache_clear()
    agent.get_version.cache_clear()
    assert agent.build_agent() == first


def test_the_version_changes_with_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    before = agent.get_version()
    sources = {**archive.read_sources(*agent.PACKAGES), "zac/more.py": b""}
    monkeypatch.setattr(agent, "read_sources", lambda *_: sources)
    agent.get_version.cache_clear()
    after = agent.get_version()
    agent.get_version.cache_clear()
    assert before.split("+")[0] == after.split("+")[0] == RELEASE
    assert before != after


def test_it_runs_isolated_with_the_system_python(program: Path, tmp_path: Path) -> None:
    """-I: neither the working directory nor the environment adds a module."""
    done = run(tmp_path, PYTHON, "-I", program, "--version")
    assert done.stdout == f"zac {agent.get_version()}\n", done.stderr
    assert run(tmp_path, program, "--version").stdout == done.stdout


def test_modules_of_the_working_directory_are_not_run(program: Path, tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('a module of the directory')")
    done = run(tmp_path, program, "--version", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_a_host_without_python_is_told_what_to_install(program: Path, tmp_path: Path) -> None:
    script = program.read_bytes().replace(b"/usr/bin/python3", b"/usr/bin/python9")
    program.write_bytes(script.replace(b"/opt/zac/bin/python3", b"/opt/zac/bin/python9"))
    done = run(tmp_path, "/bin/sh", program, "--version")
    assert done.returncode == 69
    assert "Install python3" in done.stderr


def test_an_older_python_is_told_what_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 7, 16))
    with pytest.raises(SystemExit, match=r"Python 3\.8 or later"):
        exec(agent.ENTRY, {})


def test_the_service_runs_from_the_archive(program: Path, tmp_path: Path) -> None:
    """The service does not find its code by the working directory."""
    home = tmp_path / "home"
    home.mkdir()
    done = run(tmp_path, PYTHON, "-I", program, "--service", home)
    assert done.returncode == 3, done.stderr
    assert "zac register" in done.stderr or "not registered" in done.stderr


def test_only_servers_need_more_than_the_standard_library() -> None:
    names = zipfile.ZipFile(io.BytesIO(agent.build_agent())).namelist()
    assert "pki/keys.py" in names
    folders = {name.split("/")[0] for name in names}
    assert folders == {"__main__.py", "faults", "wire", "zac", "pki"}
