"""The systemd unit of the agent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from zac.cli import commands, unit
from zac.host.host import Host


def test_a_checkout_has_no_unit(device: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["--home", device.home.path, "unit"]) == 1
    assert "Install the agent from a package" in capsys.readouterr().err


def test_the_unit_can_write_only_its_data_directory_and_the_remint_repository() -> None:
    lines = unit.build_unit("/usr/bin/zac", "/etc/zac").splitlines()
    assert "ExecStart=/usr/bin/zac --home /etc/zac run" in lines
    assert "ProtectSystem=strict" in lines
    assert [line for line in lines if line.startswith("ReadWritePaths")] == [
        # The key of an administrator is deleted after the activation. The folder need not exist.
        "ReadWritePaths=/etc/zac -/opt/novell/zenworks/remint-repo"
    ]


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze, "the Debian package systemd is missing"
    path = tmp_path / "zac.service"
    path.write_text(unit.build_unit("/bin/sh", str(tmp_path)))
    done = subprocess.run([analyze, "verify", path], capture_output=True, text=True, check=False)
    assert "zac.service" not in done.stderr, done.stderr
