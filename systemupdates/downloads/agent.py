"""The agent as a zip application, built from the sources that this console runs with.

On a managed device it needs only the Python standard library. The package `pki` in it is used on
servers, which also have the package cryptography. This module does not use Django, so that it can
build packages at a release.

See: D-180
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from systemupdates.downloads.archive import build_archive, read_sources
from wire.metadata import sha256
from zac import BUILD_FILE, RELEASE

NAME = "zac.pyz"
PACKAGES = ("faults", "wire", "zac", "pki")
BUILD_LENGTH = 12
# The packages in dist/, and the file with their digests and the version of the agent in them.
PACKAGE_PATTERNS = ("zcc-agent*.deb", "zcc-agent*.rpm")
INDEX = "packages.json"

STUB = b"""#!/bin/sh
# Agent of a zone: needs Python 3.8 or newer with ssl. Servers also need cryptography.
for py in "$ZAC_PYTHON" /opt/zac/bin/python3 /usr/bin/python3 /usr/libexec/platform-python; do
  [ -x "$py" ] || continue
  "$py" -I -c 'import sys, ssl; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 || continue
  exec "$py" -I "$0" "$@"
done
echo "zac needs Python 3.8 or newer with the ssl module. Install python3, or set ZAC_PYTHON to" >&2
echo "its path, and run it again. Nothing was changed." >&2
exit 69
"""
ENTRY = b"""import sys

if sys.version_info < (3, 8):
    sys.exit("zac needs Python 3.8 or later. Nothing was changed.")
from zac import archive
from zac.upgrades.launcher import start_version_in_use

start_version_in_use(sys.argv)
if sys.argv[1:2] == [archive.SERVICE]:
    from zac.service import main

    sys.exit(main(sys.argv[2]))
from zac.cli.commands import main

sys.exit(main())
"""


@lru_cache(maxsize=1)
def build_agent() -> bytes:
    """Return the bytes of the zip application, with a shell stub in front that finds Python."""
    return build_program(read_members(), get_version().partition("+")[2])


def build_program(members: Mapping[str, bytes], build: str) -> bytes:
    """Return the zip application with modules by path, and the build that it reports."""
    return STUB + build_archive({**members, f"zac/{BUILD_FILE}": build.encode()})


@lru_cache(maxsize=1)
def get_version() -> str:
    """Return the version that this agent reports: the release and a digest of its sources."""
    # Of the sources, because another version of zlib compresses them to other bytes.
    sources = "".join(f"{name} {sha256(data)}\n" for name, data in sorted(read_members().items()))
    return f"{RELEASE}+{sha256(sources.encode())[:BUILD_LENGTH]}"


def read_members() -> dict[str, bytes]:
    """Return the modules of the agent by their path in the zip application."""
    return {"__main__.py": ENTRY, **read_sources(*PACKAGES)}
