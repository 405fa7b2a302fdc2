"""Images of bare Debian systems.

They are built from Debian packages with mmdebstrap. They contain the package lists of Debian and
downloaded packages that are not installed, so that apt-get works in them without a network.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence

from tests.harness.containers.engine import Engine

# A server as Debian installs it, as far as the pages of the manual need it.
BASE = ("systemd", "systemd-sysv", "dbus", "iproute2", "ca-certificates", "curl", "sudo")
MIRROR = "http://deb.debian.org/debian"
DOWNLOAD = (
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get install --yes --quiet --download-only '
    "-o APT::Install-Recommends=true {}"
)


def provide(engine: Engine, suite: str, downloaded: Sequence[str]) -> str:
    """Return the name of an image with a bare Debian, which has downloaded some packages."""
    download = DOWNLOAD.format(" ".join(downloaded))
    digest = hashlib.sha256(repr((BASE, download)).encode()).hexdigest()[:12]
    name = f"localhost/zcc-test/{suite}:{digest}"
    if engine.succeeds("image", "exists", name):
        return name
    archive = engine.folder / f"{suite}.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(BASE)}"]
    command += ["--skip=cleanup/apt/lists,cleanup/apt/cache", f"--customize-hook={download}"]
    subprocess.run([*command, suite, str(archive), MIRROR], check=True, timeout=1200)
    engine.run("import", "--quiet", str(archive), name, seconds=600)
    archive.unlink()
    return name
