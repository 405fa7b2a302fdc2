"""Zip applications with sources of this installation. The same sources give the same bytes.

See: https://docs.python.org/3/library/zipapp.html
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# First date of the zip format.
EPOCH = (1980, 1, 1, 0, 0, 0)


def read_sources(*packages: str) -> dict[str, bytes]:
    """Return the modules of packages of this installation, by their path in an archive."""
    return {
        str(path.relative_to(ROOT)): path.read_bytes()
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def build_archive(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file with fixed order, times, and permissions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(members.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
