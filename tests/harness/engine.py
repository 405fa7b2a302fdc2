"""Bare Debian hosts as containers, each with its own systemd, for scenarios of the installation.

The images are built from Debian packages with mmdebstrap. podman and mmdebstrap are installed by
the first scenario, because only long scenarios need them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = {"podman": "podman", "runc": "runc", "mmdebstrap": "mmdebstrap"}
BASE = ("systemd", "systemd-sysv", "dbus", "iproute2", "ca-certificates", "curl")
MIRROR = "http://deb.debian.org/debian"
CAP_SYS_RESOURCE = 24
# Without CAP_SYS_RESOURCE, podman cannot raise the limits that its containers have by default.
RUNTIME = """\
#!{python}
import json, os, sys
arguments = sys.argv[1:]
for option, value in zip(arguments, [*arguments[1:], ""]):
    if option not in ("--bundle", "--process"):
        continue
    path = value + "/config.json" if option == "--bundle" else value
    with open(path) as file:
        content = json.load(file)
    (content["process"] if option == "--bundle" else content).pop("rlimits", None)
    with open(path, "w") as file:
        json.dump(content, file)
os.execv({runc!r}, ["runc", *arguments])
"""
CONFIGURATION = """\
[containers]
default_ulimits = []
[engine]
runtime = "zcc"
[engine.runtimes]
zcc = ["{runtime}"]
"""


def install_programs() -> None:
    """Install the programs that are missing, or skip the test with the reason."""
    missing = [package for name, package in PROGRAMS.items() if not shutil.which(name)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
        missing = [package for name, package in PROGRAMS.items() if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"NOT TESTED: this scenario runs as root and needs {', '.join(missing)}")


class Engine:
    """podman with images of bare Debian systems."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = dict(os.environ)
        if not _can_raise_limits():
            runtime = folder / "runtime"
            runc = shutil.which("runc")
            runtime.write_text(RUNTIME.format(python=sys.executable, runc=runc))
            runtime.chmod(0o755)
            (folder / "containers.conf").write_text(CONFIGURATION.format(runtime=runtime))
            self._environment["CONTAINERS_CONF"] = str(folder / "containers.conf")

    def podman(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def build_image(self, suite: str, packages: Sequence[str]) -> str:
        """Return the name of an image with a bare Debian and some packages."""
        wanted = ",".join((*BASE, *packages))
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
        name = f"localhost/zcc-test/{suite}:{digest}"
        if self.podman("image", "exists", name).returncode == 0:
            return name
        archive = self._folder / f"{suite}.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={wanted}", suite]
        subprocess.run([*command, str(archive), MIRROR], check=True, timeout=900)
        done = self.podman("import", "--quiet", str(archive), name, seconds=300)
        archive.unlink()
        assert done.returncode == 0, done.stderr
        return name

    @contextmanager
    def host(self, image: str, name: str, address: str, folder: Path) -> Iterator[Host]:
        """Start a host that has one address and a directory /dl, and delete it at the end."""
        container = f"zcc-test-{os.getpid()}-{name}"
        options = ["--name", container, "--hostname", f"{name}.acme.example", "--network", "none"]
        options += ["--add-host", f"{name}.acme.example:{address}", "--systemd=always"]
        # To add the address.
        options += ["--cap-add", "NET_ADMIN", "--volume", f"{folder}:/dl:ro"]
        started = self.podman("run", "--detach", *options, image, "/sbin/init")
        assert started.returncode == 0, started.stderr
        try:
            host = Host(self, container)
            host.succeeds(f"ip addr add {address}/32 dev lo")
            yield host
        finally:
            self.podman("rm", "--force", "--time", "1", container)


class Host:
    """A running container."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine, self._container = engine, container

    def run(self, script: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a script as root in /dl, as an administrator enters it."""
        place = ["--workdir", "/dl", self._container, "bash", "-e", "-c", script]
        return self._engine.podman("exec", *place, seconds=seconds)

    def succeeds(self, script: str) -> str:
        """Run a script that must succeed; return its output."""
        done = self.run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout


def _can_raise_limits() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
