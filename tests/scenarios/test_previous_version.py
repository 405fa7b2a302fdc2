"""Agents of the previous version work with this console: docs/wire.md promises one release.

Their code is taken from the history of this repository, so a shallow clone fails the test.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from wire.messages import AUTHENTICATION_SATELLITE
from zcc.runtime.components import BASE_DIR

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long

PREVIOUS_VERSION = "42406c4a2eb13b47efe8bb4aa32be15dd6da6913"
AGENT_PACKAGES = ("zac", "wire", "faults", "pki")
SATELLITE, DEVICES = "as-previous", ("pc-previous-1", "pc-previous-2")
NEW_SATELLITE, NEW_DEVICE = "as-01", "device-01"


def extract_previous_version(folder: Path, *packages: str) -> Path:
    """Extract the previous version into a folder, or only some packages of it.

    Fails if git does not have it.
    """
    archive = folder.with_suffix(".tar")
    done = subprocess.run(
        ["git", "archive", "--format=tar", f"--output={archive}", PREVIOUS_VERSION, *packages],
        cwd=BASE_DIR,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"Commit {PREVIOUS_VERSION} is required for this test but is not in this clone "
        f"({done.stderr.decode().strip()}). Run: git fetch --unshallow"
    )
    # The filters of tarfile are missing in Python 3.11.2 of Debian 12.
    folder.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder


def imported_from(code: Path) -> Path:
    """Return the file that `import zac` finds when the agent is started in a folder."""
    command = [sys.executable, "-c", "import wire, zac; print(zac.__file__)"]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_agents_of_the_previous_version_complete_a_remint_ca(
    start_zone: StartZone, tmp_path: Path
) -> None:
    code = extract_previous_version(tmp_path / "previous", *AGENT_PACKAGES)
    assert imported_from(code) == code / "zac" / "__init__.py"
    zone = start_zone(devices=1, satellites=1, primaries=1)
    zone.add_agent(SATELLITE, 71, role=AUTHENTICATION_SATELLITE, code=code)
    for number, name in enumerate(DEVICES, 72):
        zone.add_agent(name, number, code=code)
    old_agents = {SATELLITE, *DEVICES}
    api = zone.program()
    previous_root = api.root()

    administrator.remint_ca(api, 90)
    seen = zone.completes()

    assert old_agents < set(seen["assigned"])
    assert seen["futures"][SATELLITE] == "active"
    preflight = {name: zone.journal(name, "preflight", "rehearsed") for name in seen["assigned"]}
    for name in (*DEVICES, NEW_DEVICE):
        tried = {entry["server"] for entry in preflight[name] if entry["code"] == "ok"}
        assert len(tried) == 3, f"{name} checked each server: {preflight[name]}"
    assert zone.refused() == []
    assert api.root() != previous_root
    zone.everybody_is_in_contact()
    last = {contact.host: contact for contact in zone.contacts() if contact.ok}
    assert old_agents < set(last)
    assert len({last[name].anchored for name in (*DEVICES, NEW_DEVICE, NEW_SATELLITE)}) == 1
