"""The package of the console: what it contains, and what its scripts do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from zcc.installation import package
from zcc.runtime.components import BASE_DIR

DEPLOY = BASE_DIR / "deploy" / "console"
DESCRIPTION = yaml.safe_load((DEPLOY / "nfpm.yaml").read_text())


def test_all_sources_of_the_console_are_copied(tmp_path: Path) -> None:
    package._copy_sources(tmp_path / "zcc")
    copied = {path.name for path in (tmp_path / "zcc").iterdir()}
    packages = {path.parent.name for path in BASE_DIR.glob("*/__init__.py")}
    assert packages - copied == {"tests", "bench"}
    assert {"manage.py", "templates", "static", "locale", "deploy"} <= copied
    assert (tmp_path / "zcc" / "locale" / "de" / "LC_MESSAGES" / "django.mo").is_file()
    assert list(tmp_path.rglob("__pycache__")) == []


def test_the_name_of_the_file_is_the_one_that_nfpm_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("_copy_sources", "_collect_static_files", "_download_wheels"):
        monkeypatch.setattr(package, step, lambda folder, *_: folder.mkdir(exist_ok=True))
    monkeypatch.setattr("systemupdates.downloads.packages.build_packages", lambda _: [])
    assert package.build_package(tmp_path / "dist").is_file()


def test_secrets_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources"
    (sources / "deploy" / "secrets").mkdir(parents=True)
    (sources / "deploy" / "secrets" / "secret_key").write_text("x")
    monkeypatch.setattr(package, "BASE_DIR", sources)
    monkeypatch.setattr(package, "SOURCES", ("deploy",))
    package._copy_sources(tmp_path / "zcc")
    assert list((tmp_path / "zcc").rglob("secret*")) == []


def test_all_units_are_installed(tmp_path: Path) -> None:
    package._copy_units(tmp_path / "units")
    copied = {path.name for path in (tmp_path / "units").iterdir()}
    units = {path.name for path in (BASE_DIR / "deploy" / "systemd").glob("zcc*")}
    assert copied == units - {"zcc.env.example"}


def test_the_package_requires_a_python_for_which_it_has_wheels() -> None:
    first, last = package.PYTHONS[0], package.PYTHONS[-1]
    following = f"3.{int(last.partition('.')[2]) + 1}"
    assert f"python3 (>= {first})" in DESCRIPTION["depends"]
    assert f"python3 (<< {following})" in DESCRIPTION["depends"]


def test_commands_of_the_manual_are_installed() -> None:
    links = {
        one["dst"]: one["src"] for one in DESCRIPTION["contents"] if one.get("type") == "symlink"
    }
    assert set(links) == {"/usr/bin/zcc-manage", "/usr/sbin/zcc-set-up-data"}
    for target in links.values():
        path = BASE_DIR / Path(target).relative_to("/opt/zcc")
        assert path.stat().st_mode & 0o111


def test_purging_keeps_the_keys_of_a_ca() -> None:
    script = (DEPLOY / "deb" / "postrm").read_text()
    removed = [line for line in script.splitlines() if "rm -rf" in line]
    assert removed == ["    rm -rf /etc/zcc"]


@pytest.mark.parametrize(
    "script",
    [
        *sorted((DEPLOY / "deb").iterdir()),
        DEPLOY / "build-venv",
        *(BASE_DIR / "deploy" / "systemd" / name for name in ("install", "prepare", "set-up-data")),
    ],
    ids=lambda path: path.name,
)
def test_each_script_is_valid_and_stops_at_an_error(script: Path) -> None:
    subprocess.run(["/bin/sh", "-n", script], check=True)
    assert script.stat().st_mode & 0o111
    assert "\nset -e" in script.read_text()
