"""The programs that an installation consists of, as command lines; the same ones in production.

The command lines of the parts of a Primary Server: the same ones everywhere.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from wire.messages import PRIMARY
from zcc.runtime import broker, environment
from zcc.runtime.layout import Host
from zcc.runtime.processes import Program

BASE_DIR = Path(__file__).resolve().parents[2]
# An administrator's answer about a server may be outstanding: registered, not yet approved.
REGISTERED = (0, 7)


class Parts:
    """The programs of the installation in one ZCC_HOME."""

    def __init__(self, home: Path) -> None:
        self._environment = {
            "ZCC_HOME": str(home),
            "ZCC_BROKER_URL": broker.url(home),
            "DJANGO_SETTINGS_MODULE": "zcc.settings",
            "PYTHONUNBUFFERED": "1",
            "ZCC_LOG_FORMAT": environment.text("ZCC_LOG_FORMAT", "text"),
            "MALLOC_ARENA_MAX": "1",
        }

    def manage(self, command: str, *arguments: str) -> Program:
        """Run one of Django's or of our own management commands."""
        line = [sys.executable, str(BASE_DIR / "manage.py"), command, *arguments]
        return self._program(command, line)

    def create_zone(self, first: Host, name: str) -> Program:
        """Make the zone and its first Primary Server."""
        home = ["--home", str(first.home), "--admin", "admin", "--demo"]
        facts = ["--server-name", *first.facts()[1:]]
        return self.manage("create_zone", "--name", name, *facts, *home)

    def web(self, host: Host) -> Program:
        """Serve a Primary Server's web pages and calls."""
        return self._program(f"{host.name}.web", web(host.address, host.port, host.home), host)

    def worker(self, host: Host) -> Program:
        """Do the work of a Primary Server."""
        return self._program(
            f"{host.name}.worker", worker(host.home, host.name, concurrency=1), host
        )

    def beat(self, host: Host) -> Program:
        """Start a sweep every few seconds."""
        return self._program("beat", beat(), host)

    def agent(self, host: Host) -> Program:
        """Run the agent of a host."""
        return self._program(f"{host.name}.agent", agent(host.home))

    def register(self, host: Host, url: str) -> Program:
        """Join the zone; the command reads the registration key from stdin."""
        joining = ["register", url, "--key", "-", "--role", host.role, *host.facts()]
        if host.parent:
            joining += ["--parent", host.parent]
        return self._program(f"{host.name}.register", agent(host.home, *joining))

    def of(self, host: Host) -> list[Program]:
        """Return what runs on a host that has registered."""
        if host.role != PRIMARY:
            return [self.agent(host)]
        return [self.web(host), self.worker(host), self.agent(host)]

    def _program(self, name: str, line: list[str], host: Host | None = None) -> Program:
        own = {"ZCC_SERVER_HOME": str(host.home)} if host is not None else {}
        return Program(name, line, self._environment | own, BASE_DIR)


def web(address: str, port: int, home: Path) -> list[str]:
    """Serve web pages and calls; it waits for the first certificate, or offers to found a zone."""
    place = ["--address", address, "--port", str(port), "--home", str(home)]
    return [sys.executable, "-m", "zcc.runtime.listener", *place]


def worker(home: Path, name: str, concurrency: int) -> list[str]:
    """Do the work of the shared queue and of the one of this Primary Server."""
    guid = json.loads((home / "device.json").read_text())["id"]
    queues = ["-Q", f"shared,server.{guid}", "-n", f"worker@{name}"]
    size = ["--pool", "prefork", "--concurrency", str(concurrency)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [*_celery("worker"), *queues, *size, *quiet]


def beat() -> list[str]:
    """Start a sweep every few seconds; it keeps no file that a kill could damage."""
    return [*_celery("beat"), "-S", "celery.beat:Scheduler", "--pidfile="]


def agent(home: Path, *command: str) -> list[str]:
    """Run the agent of a host, or one of its commands."""
    return [sys.executable, "-m", "zac", "--home", str(home), *(command or ("run",))]


def _celery(command: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "zcc", command]
