"""Build the packages of the agent, at a release and without Django: `make packages`.

nfpm writes .deb and .rpm from one description in deploy/agent. The build is reproducible.

See: D-181; https://nfpm.goreleaser.com
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from systemupdates.downloads import agent, zman
from systemupdates.downloads.agent import INDEX, PACKAGE_PATTERNS
from systemupdates.downloads.archive import ROOT
from wire.metadata import sha256
from zac import RELEASE
from zac.cli.unit import build_unit

LICENSE = "Apache-2.0"
MAINTAINER = "Zone Control Center <zcc@example.com>"
PROGRAM = "/usr/bin/zac"
DESCRIPTIONS = ("nfpm.yaml", "nfpm-server.yaml")
FORMATS = ("deb", "rpm")
# Debian and RPM sort "~" before the end: 1.0.0~rc1 is older than 1.0.0.
VERSION = re.sub(r"(?=(a|b|rc)\d)", "~", RELEASE)
# The date in the packages, for a reproducible build.
SOURCE_DATE = "315532800"
COPYRIGHT = f"""\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Zone Control Center

Files: *
Copyright: 2026 The Zone Control Center contributors
License: {LICENSE}
 On Debian systems, the text of the license is in /usr/share/common-licenses/Apache-2.0.
"""


CHANGELOG = f"""\
{{name}} ({VERSION}-1) unstable; urgency=medium

  * Release {RELEASE}. The changes are in CHANGELOG.md of the source code.

 -- {MAINTAINER}  Tue, 01 Jan 1980 00:00:00 +0000
"""
PACKAGES = ("zcc-agent", "zcc-agent-server")


def build_packages(folder: Path) -> list[Path]:
    """Write the packages and their index to a folder, and remove those of other versions."""
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in (*PACKAGE_PATTERNS, INDEX):
        for old in folder.glob(pattern):
            old.unlink()
    with tempfile.TemporaryDirectory() as files:
        _write_files(Path(files))
        for description in DESCRIPTIONS:
            for kind in FORMATS:
                run_nfpm(f"deploy/agent/{description}", kind, Path(files), folder)
    packages = sorted(path for pattern in PACKAGE_PATTERNS for path in folder.glob(pattern))
    digests = {path.name: sha256(path.read_bytes()) for path in packages}
    text = json.dumps({"agent": agent.get_version(), "files": digests}, indent=1)
    (folder / INDEX).write_text(text + "\n")
    return packages


def _write_files(folder: Path) -> None:
    """Write the files that the descriptions refer to."""
    manual = (ROOT / "deploy" / "agent" / "zac.1").read_bytes()
    files: Mapping[str, bytes] = {
        "zac": agent.build_agent(),
        "zac.service": build_unit(PROGRAM).encode(),
        "zac.1.gz": gzip.compress(manual, 9, mtime=0),
        "copyright": COPYRIGHT.encode(),
        # With this file, the agent reports which package manager upgrades it.
        **{f"package.{kind}": f"{kind}\n".encode() for kind in FORMATS},
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for name in PACKAGES:
        data = gzip.compress(CHANGELOG.format(name=name).encode(), 9, mtime=0)
        (folder / f"{name}.changelog.gz").write_bytes(data)


def run_nfpm(config: str, kind: str, files: Path, folder: Path) -> None:
    """Build a package of a kind (deb or rpm) from a description in the sources, to a folder."""
    program = shutil.which("nfpm", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        sys.exit("packages: nfpm was not found. No package was written. Run make setup.")
    variables = {
        "ZCC_VERSION": VERSION,
        "ZCC_FILES": str(files),
        "ZCC_LICENSE": LICENSE,
        "ZCC_MAINTAINER": MAINTAINER,
        "SOURCE_DATE_EPOCH": SOURCE_DATE,
    }
    command = [program, "package", "-f", config, "-p", kind, "-t", str(folder)]
    subprocess.run(  # noqa: S603 - a program of the installation
        command, cwd=ROOT, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    dist = ROOT / "dist"
    for path in (*build_packages(dist), *zman.build_zman(dist, source_date_epoch=SOURCE_DATE)):
        print(path)  # noqa: T201 - the output of the command
