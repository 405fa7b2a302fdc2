"""The systemd unit of the agent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from zac.cli import commands, unit
from zac.host.host import Host
from zac.system_trust import stores

# Of 100, as for the services of the console.
MAX_EXPOSURE = 25


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


@pytest.mark.parametrize("allows_system_trust", [False, True])
def test_the_service_is_restricted(tmp_path: Path, *, allows_system_trust: bool) -> None:
    folder = tmp_path / "etc/systemd/system"
    (folder / "zac.service.d").mkdir(parents=True)
    (folder / "zac.service").write_text(unit.build_unit("/usr/bin/zac", "/etc/zac"))
    if allows_system_trust:
        drop_in = folder / "zac.service.d/system-trust.conf"
        drop_in.write_text(unit.build_drop_in(stores.WRITTEN))
    command = ["systemd-analyze", "security", "--offline=true", f"--root={tmp_path}", "--no-pager"]
    done = subprocess.run(
        [*command, f"--threshold={MAX_EXPOSURE}", "zac.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    assert "Overall exposure level" in done.stdout


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze, "the Debian package systemd is missing"
    path = tmp_path / "zac.service"
    path.write_text(unit.build_unit("/bin/sh", str(tmp_path)))
    done = subprocess.run([analyze, "verify", path], capture_output=True, text=True, check=False)
    assert "zac.service" not in done.stderr, done.stderr
