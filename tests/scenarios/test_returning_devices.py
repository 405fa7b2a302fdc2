"""Devices that return, and copies of a device, with real processes (manual A.7, D-178)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_trust_list import zac

COPIES = """
from audit.models import Entry
print(list(Entry.objects.filter(action="identity-copied").values_list("note", flat=True)))
"""


@pytest.mark.long
def test_a_device_returns_without_a_key_and_a_copy_is_told_what_to_do(
    start_zone: Callable[..., RunningZone], tmp_path: Path
) -> None:
    zone = start_zone(devices=1, satellites=0, primaries=1)
    device = zone.hosts("managed")[0]
    until((device.home / "servers.json").exists, "it has refreshed")
    zone.take_down(f"{device.name}.agent")
    before = json.loads((device.home / "device.json").read_text())
    assert zac(device.home, "unr").returncode == 0
    assert zac(device.home, "refresh").returncode == 3
    returned = zac(device.home, "reg", before["url"])
    assert returned.returncode == 0, returned.stderr
    assert json.loads((device.home / "device.json").read_text())["id"] == before["id"]
    copy = tmp_path / "copy"
    shutil.copytree(device.home, copy, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    for _ in range(5):
        assert zac(device.home, "refresh").returncode == 0
    for _ in range(3):
        refused = zac(copy, "refresh")
        assert refused.returncode == 3
        assert f"Another host uses the identity of {device.name}" in refused.stderr
        assert "--name NAME" in refused.stderr
    assert f"{device.name} (" in zone.run(COPIES)
    assert zac(device.home, "refresh").returncode == 0, "the device is not affected"
