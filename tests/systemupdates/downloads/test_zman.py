"""zman without a console: as a wheel, and as a zip application."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from systemupdates.downloads import zman
from zman import VERSION

PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    zman.build_zman(folder, source_date_epoch="315532800")
    return folder


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False
    )


def test_the_build_is_reproducible(dist: Path, tmp_path: Path) -> None:
    for path in zman.build_zman(tmp_path, source_date_epoch="315532800"):
        assert path.read_bytes() == (dist / path.name).read_bytes(), path.name


def test_the_zip_application_runs_isolated(dist: Path) -> None:
    assert run(PYTHON, "-I", dist / zman.NAME, "--version").stdout == f"zman {VERSION}\n"


def test_the_zip_application_contains_what_a_connection_needs(dist: Path) -> None:
    """Port 1 refuses the connection, so the exit code is not that of a missing module."""
    command = ("--url", "https://127.0.0.1:1", "show", "ca")
    done = subprocess.run(
        [PYTHON, "-I", dist / zman.NAME, *command],
        env={"PATH": "/usr/bin:/bin", "ZMAN_TOKEN": "x", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "127.0.0.1" in done.stderr, done.stderr


def test_the_licenses_of_the_dependencies_are_included(dist: Path) -> None:
    names = zipfile.ZipFile(io.BytesIO((dist / zman.NAME).read_bytes())).namelist()
    for name in ("urllib3", "rich", "PyYAML"):
        folders = [one for one in names if one.lower().startswith(f"{name.lower()}-")]
        assert any("license" in one.lower() for one in folders), name


def test_the_wheel_contains_the_command_and_no_console(dist: Path) -> None:
    (wheel,) = dist.glob(zman.WHEEL_PATTERN)
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    assert folders == {"zman", "faults", f"zcc_zman-{VERSION}.dist-info"}
    entry = zipfile.ZipFile(wheel).read(f"zcc_zman-{VERSION}.dist-info/entry_points.txt").decode()
    assert "zman = zman.cli.main:main" in entry
