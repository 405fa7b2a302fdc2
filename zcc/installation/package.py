"""Build the package of the console, at a release: `make console-package`.

It contains the sources, the static files, the packages of the agent, and the Python packages of
uv.lock as wheels for each supported Python. The installation needs no network.

See: D-194
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from systemupdates.downloads import packages
from zcc.runtime.components import BASE_DIR

NAME = "zcc-console"
FILE = f"{NAME}_{packages.VERSION}-1_amd64.deb"
# Debian 12, Ubuntu 24.04, and Debian 13.
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = tuple(
    f"manylinux{name}_x86_64" for name in ("2014", "_2_17", "_2_24", "_2_27", "_2_28", "_2_34")
)
CODE = (
    *("administrators", "audit", "certificates", "console", "devices", "faults", "notifications"),
    *("pki", "systemupdates", "wire", "zac", "zcc", "zman"),
)
SOURCES = (
    *(*CODE, "templates", "static", "locale", "deploy"),
    *("manage.py", "LICENSE", "CHANGELOG.md"),
)
_COMPILE = (
    *("scripts/uv", "pip", "compile", "--quiet", "--no-deps", "--generate-hashes", "--no-header"),
    *("--no-annotate", "--python-platform", "x86_64-manylinux_2_28"),
)
UNITS = ("*.service", "*.timer", "*.target", "*.d")


def build_package(folder: Path, *, pythons: tuple[str, ...] = PYTHONS) -> Path:
    """Write the package to a folder, and remove those of other versions. Return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{NAME}_*.deb"):
        old.unlink()
    with tempfile.TemporaryDirectory() as name:
        files = Path(name)
        _copy_sources(files / "zcc")
        _collect_static_files(files / "zcc")
        packages.build_packages(files / "zcc" / "dist")
        _download_wheels(files / "zcc", pythons)
        _copy_units(files / "units")
        (files / "copyright").write_text(packages.COPYRIGHT)
        changelog = packages.CHANGELOG.format(name=NAME).encode()
        (files / "changelog.gz").write_bytes(gzip.compress(changelog, 9, mtime=0))
        packages.run_nfpm("deploy/console/nfpm.yaml", "deb", files, folder)
    return folder / FILE


def _copy_sources(folder: Path) -> None:
    folder.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "secrets")
    for name in SOURCES:
        source = BASE_DIR / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)


def _collect_static_files(folder: Path) -> None:
    variables = {"ZCC_HOME": "/nonexistent", "ZCC_STATIC_ROOT": str(folder / "static-files")}
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    _run(command, DJANGO_SETTINGS_MODULE="zcc.settings", **variables)


def _download_wheels(folder: Path, pythons: tuple[str, ...]) -> None:
    """Download the packages of uv.lock. pip compares them with the digests in there."""
    requirements = str(folder / "requirements.txt")
    quiet = ("--quiet", "--frozen", "--no-header", "--no-annotate")
    _run(["scripts/uv", "export", *quiet, "--no-dev", "--output-file", requirements])
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    pip += ["--disable-pip-version-check", "--only-binary", ":all:", "--implementation", "cp"]
    for platform in PLATFORMS:
        pip += ["--platform", platform]
    for python in pythons:
        # pip would evaluate markers for the Python that it runs on.
        pinned = str(folder / f"requirements-{python}.txt")
        _run([*_COMPILE, "--python-version", python, "--output-file", pinned, requirements])
        place = ["--dest", str(folder / "wheels"), "--requirement", pinned]
        _run([*pip, "--python-version", python, *place])


def _copy_units(folder: Path) -> None:
    folder.mkdir()
    for pattern in UNITS:
        for path in (BASE_DIR / "deploy" / "systemd").glob(pattern):
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            else:
                shutil.copy(path, folder / path.name)


def _run(command: list[str], **variables: str) -> None:
    environment = {**os.environ, **variables}
    subprocess.run(  # noqa: S603 - programs of the installation
        command, cwd=BASE_DIR, env=environment, check=True, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    print(build_package(BASE_DIR / "dist"))  # noqa: T201 - the output of the command
