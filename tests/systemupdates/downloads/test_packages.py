"""The packages of the agent: their content, and what installation, removal, and purge do."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from systemupdates.downloads import agent, agent_files, packages
from systemupdates.downloads.packages import VERSION

DEB, RPM = f"zcc-agent_{VERSION}-1_all.deb", f"zcc-agent-{VERSION}-1.noarch.rpm"
SERVER_DEB = f"zcc-agent-server_{VERSION}-1_all.deb"
UNIT = "usr/lib/systemd/system/zac.service"
# The directory of keys is not readable for others, and there is no archive with a bug to close.
ALLOWED_TAGS = {
    *("empty-binary-package", "initial-upload-closes-no-bugs", "non-standard-dir-perm"),
}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "dist"
    packages.build_packages(folder)
    return folder


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def dpkg(root: Path, *arguments: str | Path) -> str:
    """Run dpkg in a directory. Scripts get it in DPKG_ROOT and change nothing outside."""
    database = root / "var/lib/dpkg"
    (database / "updates").mkdir(parents=True, exist_ok=True)
    (database / "info").mkdir(exist_ok=True)
    (database / "status").touch()
    options = ("--force-script-chrootless", "--force-depends", "--force-not-root")
    return run("dpkg", f"--root={root}", f"--log={root}/dpkg.log", *options, *arguments)


@pytest.fixture
def installed(dist: Path, tmp_path: Path) -> Path:
    dpkg(tmp_path, "--install", dist / DEB)
    return tmp_path


def test_the_build_is_reproducible(dist: Path, tmp_path: Path) -> None:
    again = tmp_path / "dist"
    packages.build_packages(again)
    assert sorted(path.name for path in again.iterdir()) == sorted(
        path.name for path in dist.iterdir()
    )
    for path in dist.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_console_offers_exactly_these_packages(dist: Path, settings: object) -> None:
    settings.BASE_DIR = dist.parent  # type: ignore[attr-defined]  # of pytest-django
    assert set(agent_files._read_packages()) == {path.name for path in dist.glob("zcc-*")}


def test_packages_of_an_earlier_build_are_removed(tmp_path: Path) -> None:
    old = tmp_path / "zcc-agent_0.9-1_all.deb"
    old.touch()
    packages.build_packages(tmp_path)
    assert not old.exists()


def test_the_installed_program_runs_isolated(installed: Path) -> None:
    program = installed / "usr/bin/zac"
    assert run("/usr/bin/python3", "-I", program, "--version") == f"zac {agent.get_version()}\n"
    unit = (installed / UNIT).read_text()
    assert "ExecStart=/usr/bin/zac --home /etc/zac run\n" in unit
    assert (installed / "etc/zac").stat().st_mode & 0o777 == 0o700


def test_the_service_is_enabled_by_the_installation(installed: Path) -> None:
    link = installed / "etc/systemd/system/multi-user.target.wants/zac.service"
    assert link.is_symlink()


def test_removal_keeps_the_identity_and_purge_deletes_it(installed: Path) -> None:
    identity = installed / "etc/zac/device.json"
    identity.write_text("{}")
    dpkg(installed, "--remove", "zcc-agent")
    assert not (installed / "usr/bin/zac").exists()
    assert identity.exists()
    dpkg(installed, "--purge", "zcc-agent")
    assert not identity.exists()


def test_managed_devices_need_only_python(dist: Path) -> None:
    assert run("dpkg-deb", "-f", dist / DEB, "Depends") == "python3 (>= 3.8)\n"
    depends = run("dpkg-deb", "-f", dist / SERVER_DEB, "Depends")
    assert f"zcc-agent (= {VERSION}-1)" in depends
    assert "python3-cryptography (>= 43)" in depends


def test_lintian_finds_nothing_else(dist: Path) -> None:
    command = ["lintian", "--allow-root", *map(str, dist.glob("*.deb"))]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    tags = {match[1] for match in re.finditer(r"^[EW]: \S+: (\S+)", found, re.MULTILINE)}
    assert tags <= ALLOWED_TAGS, found


def test_the_rpm_contains_the_same_program(dist: Path, tmp_path: Path) -> None:
    shutil.copy(dist / RPM, tmp_path)
    run("rpm2archive", tmp_path / RPM)
    with tarfile.open(tmp_path / f"{RPM}.tgz") as archive:
        names = {name.removeprefix("./"): name for name in archive.getnames()}
        program = archive.extractfile(names["usr/bin/zac"])
        assert program.read() == agent.build_agent()
    assert "/etc/zac" in run("rpm", "-qlp", dist / RPM)
    assert "systemctl stop zac.service" in run("rpm", "-qp", "--scripts", dist / RPM)
