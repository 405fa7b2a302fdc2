"""The disk of a whole zone is full for a while (F-17, S-111): told as such, and it recovers.

A small file system of its own holds database, broker, logs, content and the homes of all hosts,
and is filled while an operation is under way.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import scenario_zone
from tests.scenarios.test_faults import once_only

pytestmark = pytest.mark.long
MEBIBYTES = 160
PAGE = "/configuration/certificates/"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory of a few MiB; only root may mount one."""
    with mounted(tmp_path / "disk", MEBIBYTES) as folder:
        yield folder


@contextmanager
def mounted(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a file system in memory on a folder."""
    if os.geteuid() != 0:
        pytest.skip("A full disk needs a mount: run this as root. NOT TESTED: F-17 on a real disk.")
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"No mount here: {done.stderr.strip()} NOT TESTED: F-17 on a real disk.")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take the last octet of a file system; returns the file that has them."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


def test_a_zone_on_a_full_disk_tells_so_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    with scenario_zone(small_disk, devices=2, primaries=1, satellites=1) as zone:
        api, visitor = zone.program(), zone.visitor()
        administrator.remint_ca(api, 90)
        ballast = fill(small_disk)
        try:
            until(lambda: api.call("POST", "/tokens", TOKEN).status == 503, "no act is taken", 30)
            told = api.call("POST", "/tokens", TOKEN)
            assert "full" in told.text or "out of disk space" in told.text
            assert api.call("GET", "/operations").status in (200, 503)
            health = visitor.get("/healthz").json
            assert health["parts"]["disk"] != "ok"
        finally:
            ballast.unlink()
        until(lambda: api.call("POST", "/tokens", TOKEN).status == 201, "acts are taken", 60)
        zone.reaches("activated", "completed", seconds=300)
        once_only(zone)


TOKEN = {"name": "probe", "rights": [], "expires_at": "2040-01-01T00:00:00Z"}
