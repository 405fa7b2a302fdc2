"""podman with a storage and settings of its own, so that it leaves the engine of the user alone.

The storage keeps images between runs, because building them takes minutes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zcc.runtime.components import BASE_DIR

STORAGE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "zcc-containers"
# What podman knows about running containers. Engines with the same storage share it.
RUN = Path("/run/zcc-containers")
RUNTIME = Path(__file__).with_name("runtime")
REQUIRED = ("podman", "mmdebstrap", "ip")
SETTINGS = """\
[containers]
default_ulimits = []

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{run}/tmp"
runtime = "zcc"

[engine.runtimes]
zcc = ["{runtime}"]
"""
STORAGE_SETTINGS = """\
[storage]
driver = "overlay"
graphroot = "{storage}"
runroot = "{run}/storage"
"""


class Engine:
    """podman and podman-compose, run in one folder."""

    program = "podman"
    compose_command: tuple[str, ...] = ("podman-compose",)
    # docs/deployment.md says: with podman, use podman-compose instead of docker compose.
    functions = 'docker() { shift; podman-compose "$@"; }'
    # The name of a container has it between project, service, and number.
    separator = "_"

    def __init__(self, folder: Path) -> None:
        STORAGE.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings = folder / "containers.conf"
        self.settings.write_text(SETTINGS.format(run=RUN, runtime=RUNTIME))
        storage = folder / "storage.conf"
        storage.write_text(STORAGE_SETTINGS.format(run=RUN, storage=STORAGE))
        self.environment = {
            "PATH": f"{BASE_DIR / '.venv/bin'}:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin",
            "HOME": os.environ.get("HOME", "/root"),
            "CONTAINERS_CONF": str(self.settings),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "BUILDAH_ISOLATION": "chroot",
        }

    def run(self, *line: str, seconds: float = 60) -> str:
        """Run the engine, and return its output. Fails with what it has printed."""
        return self._run(self.folder, seconds, self.program, *line)

    def compose(self, place: Path, *line: str) -> str:
        """Run compose in a folder with a docker-compose.yml, and return its output."""
        return self._run(place, 300, *self.compose_command, *line)

    def shell(self, place: Path, script: str) -> str:
        """Run commands of docs/deployment.md in a folder, and return their output."""
        return self._run(place, 2400, "sh", "-euc", f"{self.functions}\n{script}")

    def succeeds(self, *line: str) -> bool:
        """Return True if the engine exits with code 0."""
        return self.find_failure(*line) == ""

    def find_failure(self, *line: str) -> str:
        """Return the last line that the engine printed before it failed, "" if it did not fail."""
        try:
            done = subprocess.run(
                self._command(self.folder, self.program, *line),
                env=self.environment,
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        except subprocess.TimeoutExpired:
            return "no response within 300 seconds"
        printed = f"{done.stdout}{done.stderr}".strip().splitlines()
        return "" if done.returncode == 0 else (printed or ["no message"])[-1]

    def find_obstacle(self, image: str) -> str:
        """Return why no container of an image can run on this machine, "" if it can."""
        return self.find_failure("run", "--rm", "--network", "host", image, "true")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the daemon. podman has none."""
        yield

    def is_healthy(self, container: str) -> bool:
        """Run the health check of a container. podman itself does it only where systemd runs."""
        return self.succeeds("healthcheck", "run", container)

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what the engine knows about a container."""
        found: list[dict[str, Any]] = json.loads(self.run("inspect", container))
        return found[0]

    def _command(self, place: Path, *line: str) -> tuple[str, ...]:
        """Return the command that runs a command line. `place` must be its current directory."""
        del place
        return line

    def _run(self, place: Path, seconds: float, *line: str) -> str:
        done = subprocess.run(
            self._command(place, *line),
            env=self.environment,
            cwd=place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{' '.join(line)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def only_user() -> Iterator[None]:
    """Wait until no other test uses the names of docker-compose.yml: zcc_web_1, localhost/zcc."""
    with (STORAGE / "compose.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find_obstacle() -> str:
    """Return why containers cannot run on this machine, "" if they can."""
    missing = [name for name in REQUIRED if shutil.which(name) is None]
    if missing:
        return f"missing programs: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "root is required, for networks and control groups"
    return ""
