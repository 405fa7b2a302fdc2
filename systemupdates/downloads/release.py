"""Build the files of a release in dist/, at a release and without Django: `make release`.

The same commit gives the same bytes: the agent, its packages, zman, the source code, the list of
dependencies (SBOM), and the digests of all of them.

See: D-201; https://cyclonedx.org/docs/1.5/json
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from systemupdates.downloads import agent, packages, zman
from systemupdates.downloads.archive import ROOT
from wire.metadata import sha256
from zac import RELEASE

SOURCE, SBOM, DIGESTS = f"zcc-{RELEASE}.tar.gz", f"zcc-{RELEASE}.cdx.json", "SHA256SUMS"


def build_release(folder: Path) -> list[Path]:
    """Write all files of the current commit to an empty folder, and return them.

    Packages and programs are built from the files of the working tree, which must be those of the
    commit: see check_sources.
    """
    packages.build_packages(folder)
    zman.build_zman(folder, source_date_epoch=packages.SOURCE_DATE)
    for name, data in (
        (agent.NAME, agent.build_agent()),
        (SOURCE, build_source_archive()),
        (SBOM, build_sbom()),
    ):
        (folder / name).write_bytes(data)
    files = sorted(path for path in folder.iterdir() if path.name != DIGESTS)
    digests = [f"{sha256(path.read_bytes())}  {path.name}\n" for path in files]
    (folder / DIGESTS).write_text("".join(digests))
    return [*files, folder / DIGESTS]


def build_source_archive() -> bytes:
    """Return the files of the current commit as a .tar.gz."""
    prefix = f"--prefix=zcc-{RELEASE}/"
    return gzip.compress(_run("git", "archive", "--format=tar", prefix, "HEAD"), 9, mtime=0)


def build_sbom() -> bytes:
    """Return the dependencies of the console in uv.lock, with their digests, as CycloneDX JSON."""
    options = ("--frozen", "--no-dev", "--quiet", "--format", "cyclonedx1.5")
    sbom: dict[str, Any] = json.loads(_run("scripts/uv", "export", *options))
    # A time and a random number would be different in each build.
    del sbom["metadata"]["timestamp"], sbom["serialNumber"]
    sbom["metadata"]["component"]["type"] = "application"
    content = json.dumps(sbom, sort_keys=True)
    sbom["serialNumber"] = f"urn:uuid:{uuid5(NAMESPACE_URL, content)}"
    return json.dumps(sbom, indent=1, sort_keys=True).encode() + b"\n"


def check_sources(changes: str, changelog: str) -> list[str]:
    """Return what prevents a release: `changes` is the output of git status --porcelain."""
    problems = []
    if changes:
        problems.append("The working tree contains changes that are not committed.")
    if f"\n## [{RELEASE}] - " not in changelog:
        problems.append(f"CHANGELOG.md has no section for {RELEASE} with a date.")
    return problems


def _run(*command: str) -> bytes:
    return subprocess.run(  # noqa: S603 - fixed programs
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout


def main() -> None:
    """Build the release in dist/, or exit with what prevents it."""
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    changes = _run("git", "status", "--porcelain").decode()
    problems = check_sources(changes, (ROOT / "CHANGELOG.md").read_text())
    if any(dist.iterdir()):
        problems.append("dist/ is not empty. Delete it.")
    if problems:
        sys.exit("\n".join(f"release: {problem} Nothing was built." for problem in problems))
    for path in build_release(dist):
        print(path)  # noqa: T201 - the output of the command


if __name__ == "__main__":
    main()
