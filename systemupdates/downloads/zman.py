"""Build zman for hosts without a console: a wheel for pipx or uv, and a zip application.

The zip application contains the installed versions of its dependencies, which are those of
uv.lock, with their licenses. It needs Python 3.11 or later.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from systemupdates.downloads.archive import ROOT, build_archive, read_sources

PACKAGES = ("faults", "zman")
REQUIREMENTS = ("pyyaml", "rich", "shtab", "urllib3")
WHEEL_PATTERN = "zcc_zman-*.whl"
NAME = "zman.pyz"
STUB = b"#!/usr/bin/env python3\n"
ENTRY = b"""import sys

if sys.version_info < (3, 11):
    sys.exit("zman needs Python 3.11 or later.")
from zman.cli.main import main

sys.exit(main())
"""
# The dependencies also work without their compiled modules, which a zip file cannot contain.
SUFFIXES = (".py", ".pem", ".typed")


def build_zman(folder: Path, *, source_date_epoch: str) -> list[Path]:
    """Write the wheel and the zip application to a folder, and remove earlier ones."""
    for old in folder.glob(WHEEL_PATTERN):
        old.unlink()
    _build_wheel(folder, source_date_epoch)
    program = folder / NAME
    program.write_bytes(build_zip_application())
    program.chmod(0o755)
    return [*folder.glob(WHEEL_PATTERN), program]


def build_zip_application() -> bytes:
    """Return zman and its dependencies as one program."""
    members = {"__main__.py": ENTRY, **read_sources(*PACKAGES)}
    for found in _list_dependencies():
        for file in found.files or ():
            if ".." not in file.parts and (file.suffix in SUFFIXES or _is_license(file.parts)):
                members[file.as_posix()] = Path(str(file.locate())).read_bytes()
    return STUB + build_archive(members)


def _is_license(parts: tuple[str, ...]) -> bool:
    is_text = re.search("(?i)^metadata$|licen|copying", parts[-1]) is not None
    return is_text and parts[0].endswith(".dist-info")


def _list_dependencies() -> list[Distribution]:
    """Return the installed dependencies, and what they require on this Python."""
    found: dict[str, Distribution] = {}
    names = list(REQUIREMENTS)
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name not in found:
            found[name] = distribution(name)
            required = map(Requirement, found[name].requires or ())
            names += [one.name for one in required if _is_needed(one)]
    return [found[name] for name in sorted(found)]


def _is_needed(requirement: Requirement) -> bool:
    """Return True for a requirement on any Python that zman supports, without extras."""
    marker = requirement.marker
    oldest = {"extra": "", "python_version": "3.11", "python_full_version": "3.11.0"}
    return marker is None or marker.evaluate(oldest)


def _build_wheel(folder: Path, source_date_epoch: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        shutil.copy(ROOT / "deploy" / "zman" / "pyproject.toml", source)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, source / package, ignore=ignored)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": source_date_epoch}
        subprocess.run(  # noqa: S603 - a program of the installation
            command, cwd=source, env=environment, check=True, capture_output=True
        )
