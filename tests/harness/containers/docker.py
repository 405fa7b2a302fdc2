"""Docker and its compose plugin, in the versions of Debian 13, in a container of podman.

Debian 12 has no compose plugin. The containers of Docker run in the network of the test, like those
of podman, and get their images from its storage.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.containers import images
from tests.harness.containers.engine import Engine
from tests.harness.zone import until

SUITE = "trixie"
PACKAGES = "docker.io,docker-cli,docker-compose,ca-certificates,iptables"
HOST = "zcc-docker"
# Containers use the network of their host, so no bridge is needed.
DAEMON = ("dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false")
# The name of an image of podman, and the name that docker-compose.yml uses.
BUILT, NAME = "localhost/zcc", "zcc"


class Docker(Engine):
    """Docker, used in the same way as podman."""

    program = "docker"
    compose_command = ("docker", "compose")
    functions = ""
    separator = "-"

    def __init__(self, podman: Engine) -> None:
        super().__init__(podman.folder)
        self._podman = podman
        # Building needs the network of this machine, as the image of the console does.
        self._image = _provide(podman)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the daemon, with all images of the compose file."""
        options = ["--name", HOST, "--privileged", "--network", "host", "--cgroupns", "host"]
        options += ["--volume", f"{self.folder}:{self.folder}"]
        options += ["--volume", f"{HOST}:/var/lib/docker"]
        self._podman.succeeds("rm", "--force", "--time", "1", HOST)
        self._podman.run("run", "--detach", *options, self._image, *DAEMON, seconds=120)
        try:
            until(lambda: self.succeeds("info"), "the Docker daemon responds")
            for name in (*images.list_names().values(), BUILT):
                self._load(name)
            self.run("tag", BUILT, NAME)
            yield
        finally:
            self._podman.succeeds("rm", "--force", "--time", "5", HOST)

    def is_healthy(self, container: str) -> bool:
        """Return True if the last health check of a container succeeded."""
        if not self.succeeds("inspect", container):
            return False
        state = self.inspect(container)["State"]
        return bool(state["Running"] and state.get("Health", {}).get("Status") == "healthy")

    def _command(self, place: Path, *line: str) -> tuple[str, ...]:
        return ("podman", "exec", "--workdir", str(place), HOST, *line)

    def _load(self, name: str) -> None:
        save = ("podman", "save", "--quiet", name)
        load = ("podman", "exec", "--interactive", HOST, "docker", "load", "--quiet")
        environment = self.environment
        with subprocess.Popen(save, env=environment, stdout=subprocess.PIPE) as saved:
            subprocess.run(load, env=environment, stdin=saved.stdout, check=True, timeout=600)
        assert saved.returncode == 0, name


def _provide(podman: Engine) -> str:
    """Return the name of an image with Docker. It is built from Debian packages."""
    digest = hashlib.sha256(PACKAGES.encode()).hexdigest()[:12]
    name = f"localhost/zcc-test/docker:{digest}"
    if podman.succeeds("image", "exists", name):
        return name
    archive = podman.folder / "docker.tar"
    line = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE]
    subprocess.run([*line, str(archive)], check=True, capture_output=True, timeout=1200)
    podman.run("import", "--quiet", str(archive), name, seconds=600)
    archive.unlink()
    return name
