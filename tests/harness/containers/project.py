"""A Primary Server in containers: the sources, and what docs/deployment.md does with them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.harness.containers.engine import Engine
from zcc.runtime.components import BASE_DIR

PARTS = ("web", "worker", "beat", "zac")
SERVICES = ("database", "broker", *PARTS)


class Project:
    """A copy of the sources, and its containers."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder / "zcc"
        self.engine = engine
        self.secrets = self.folder / "deploy" / "secrets"
        _copy_sources(self.folder)

    @property
    def url(self) -> str:
        return f"https://{self.setting('ZCC_SERVER_ADDRESSES')}:8443"

    def setting(self, name: str) -> str:
        """Return a value of .env."""
        found = re.search(rf"^{name}=(.*)$", (self.folder / ".env").read_text(), re.MULTILINE)
        assert found is not None
        return found[1]

    def set(self, name: str, value: str) -> None:
        """Add a value to .env."""
        with (self.folder / ".env").open("a") as file:
            file.write(f"{name}={value}\n")

    def follow(self, *commands: str) -> str:
        """Run commands of docs/deployment.md, and return their output."""
        return self.engine.shell(self.folder, "\n".join(commands))

    def compose(self, *line: str) -> str:
        """Run compose with docker-compose.yml, and return its output."""
        return self.engine.compose(self.folder, *line)

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows about the container of a service."""
        return self.engine.inspect(self._container(service))

    def execute(self, service: str, *line: str) -> str:
        """Run a command in the container of a service, and return its output."""
        return self.engine.run("exec", self._container(service), *line, seconds=120)

    def succeeds(self, service: str, *line: str) -> bool:
        """Run a command in the container of a service. Return True if its exit code is 0."""
        return self.engine.succeeds("exec", self._container(service), *line)

    def shell(self, code: str) -> str:
        """Run a piece of the console's own code."""
        return self.execute("web", "python", "-c", f"import django; django.setup()\n{code}")

    def ill(self) -> list[str]:
        """Return the services that are not running, or whose health check fails."""
        return [name for name in SERVICES if not self.is_healthy(name)]

    def is_healthy(self, service: str) -> bool:
        """Return True if the health check of a service succeeds."""
        return self.engine.is_healthy(self._container(service))

    def logs(self) -> str:
        """Return the logs of all containers, output and errors."""
        names = [self._container(name) for name in ("migrate", *SERVICES)]
        script = "\n".join(f"{self.engine.program} logs {name} 2>&1" for name in names)
        return self.engine.shell(self.folder, script)

    def _container(self, service: str) -> str:
        """Return the name that compose gives to the container of a service."""
        return self.engine.separator.join(("zcc", service, "1"))


def _copy_sources(folder: Path) -> None:
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(line, cwd=BASE_DIR, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (BASE_DIR / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(BASE_DIR / name, folder / name)
