"""The files of a release: complete, reproducible, and listed with their digests."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from systemupdates.downloads import release
from systemupdates.downloads.archive import ROOT
from zac import RELEASE

KINDS = {".pyz", ".deb", ".rpm", ".whl", ".gz"}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    release.build_release(folder)
    return folder


@pytest.fixture(scope="module")
def sbom(dist: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((dist / release.SBOM).read_bytes())
    return found


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_builds_are_identical(dist: Path, tmp_path: Path) -> None:
    release.build_release(tmp_path)
    first, second = read(dist), read(tmp_path)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert {Path(name).suffix for name in first} >= KINDS


def test_the_digests_cover_every_file(dist: Path) -> None:
    command = ["sha256sum", "--check", "--strict", release.DIGESTS]
    done = subprocess.run(command, cwd=dist, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    checked = {line.partition(":")[0] for line in done.stdout.splitlines()}
    assert checked == set(read(dist)) - {release.DIGESTS}


def test_the_source_archive_contains_the_files_of_the_commit(dist: Path) -> None:
    command = ["git", "ls-tree", "-r", "--name-only", "HEAD"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO((dist / release.SOURCE).read_bytes())) as archive:
        names = {entry.name for entry in archive if not entry.isdir()}
    assert names == {f"zcc-{RELEASE}/{name}" for name in listed.splitlines()}


def test_the_sbom_lists_all_direct_dependencies_of_the_console(sbom: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {one["name"]: one for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    direct = {one["name"] for one in locked["zcc"]["dependencies"]}
    versions = {one["name"]: one["version"] for one in sbom["components"]}
    assert len(direct) == len(project["dependencies"])
    assert {name: versions.get(name) for name in direct} == {
        name: locked[name]["version"] for name in direct
    }
    assert "pytest" not in versions


def test_each_component_of_the_sbom_has_digests(sbom: dict[str, Any]) -> None:
    without = [
        one["name"]
        for one in sbom["components"]
        if not any(file.get("hashes") for file in one.get("externalReferences", ()))
    ]
    assert without == []


def test_the_sbom_describes_this_version(sbom: dict[str, Any]) -> None:
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.5")
    component = sbom["metadata"]["component"]
    found = (component["name"], component["version"], component["type"])
    assert found == ("zcc", RELEASE, "application")


@pytest.mark.parametrize(
    ("changes", "changelog", "problem"),
    [
        ("", f"\n## [{RELEASE}] - 2026-11-29\n", ""),
        (" M zac/__init__.py\n", f"\n## [{RELEASE}] - 2026-11-29\n", "not committed"),
        ("", "\n## [Unreleased]\n", f"no section for {RELEASE}"),
        ("", f"\n## [{RELEASE}]\n", f"no section for {RELEASE}"),
    ],
)
def test_only_a_commit_with_a_changelog_is_released(
    changes: str, changelog: str, problem: str
) -> None:
    found = " ".join(release.check_sources(changes, changelog))
    assert (found == "") if not problem else (problem in found)


def test_the_changelog_describes_this_version() -> None:
    assert release.check_sources("", (ROOT / "CHANGELOG.md").read_text()) == []
