"""The command lines of all components. Demo zones and production use the same ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from wire.messages import PRIMARY
from zcc.runtime import broker, environment
from zcc.runtime.layout import Host
from zcc.runtime.processes import Program

BASE_DIR = Path(__file__).resolve().parents[2]
# Exit codes of a registration: registered, and waiting for approval.
REGISTERED = (0, 7)


class Components:
    """The programs of a demo zone in one ZCC_HOME."""

    def __init__(self, home: Path) -> None:
        self._environment = {
            "ZCC_HOME": str(home),
            "ZCC_BROKER_URL": broker.get_url(home),
            "DJANGO_SETTINGS_MODULE": "zcc.settings",
            "PYTHONUNBUFFERED": "1",
            "ZCC_LOG_FORMAT": environment.text("ZCC_LOG_FORMAT", "text"),
            "MALLOC_ARENA_MAX": "1",
            "ZCC_ALLOW_LOOPBACK": "1",
            # Java takes a second of CPU, on each of the many agents of this machine.
            "ZAC_TLS_STACKS": environment.text("ZAC_TLS_STACKS", "openssl,gnutls,curl"),
        }

    def manage(self, command: str, *arguments: str) -> Program:
        """Return a management command."""
        manage = str(BASE_DIR / "manage.py")
        return self._program(command, [sys.executable, manage, command, *arguments])

    def create_zone(self, first: Host, name: str) -> Program:
        """Return the command that creates the zone and its first Primary Server."""
        home = ["--home", str(first.home), "--admin", "admin", "--demo"]
        server = ["--server-name", *first.arguments()[1:]]
        return self.manage("create_zone", "--name", name, *server, *home)

    def web(self, host: Host) -> Program:
        """Return the web server of a Primary Server."""
        command = web(host.address, host.port, host.home)
        return self._program(f"{host.name}.web", command, host, part="web")

    def worker(self, host: Host) -> Program:
        """Return the worker of a Primary Server."""
        command = worker(host.home, host.name, concurrency=1)
        return self._program(f"{host.name}.worker", command, host, part="worker")

    def beat(self, host: Host) -> Program:
        """Return the scheduler of periodic tasks."""
        return self._program("beat", beat(), host, part="beat")

    def agent(self, host: Host) -> Program:
        """Return the agent of a host."""
        return self._program(f"{host.name}.agent", agent(host.home))

    def register(self, host: Host, url: str) -> Program:
        """Return the command that registers a host. It reads the registration key from stdin."""
        command = ["register", url, "--key", "-", "--role", host.role, *host.arguments()]
        if host.parent:
            command += ["--parent", host.parent]
        return self._program(f"{host.name}.register", agent(host.home, *command))

    def of(self, host: Host) -> list[Program]:
        """Return the programs of a registered host."""
        if host.role != PRIMARY:
            return [self.agent(host)]
        return [self.web(host), self.worker(host), self.agent(host)]

    def _program(
        self, name: str, command: list[str], host: Host | None = None, *, part: str = ""
    ) -> Program:
        own = {environment.PART: part} if part else {}
        if host is not None:
            own["ZCC_SERVER_HOME"] = str(host.home)
        return Program(name, command, self._environment | own, BASE_DIR)


def web(address: str, port: int, home: Path) -> list[str]:
    """Return the command line of the web server. Without a certificate, it can create a zone."""
    arguments = ["--address", address, "--port", str(port), "--home", str(home)]
    return [sys.executable, "-m", "zcc.runtime.listener", *arguments]


def worker(home: Path, name: str, concurrency: int) -> list[str]:
    """Return the command line of a worker for the shared queue and the queue of this server."""
    guid = json.loads((home / "device.json").read_text())["id"]
    queues = ["-Q", f"shared,server.{guid}", "-n", f"worker@{name}"]
    size = ["--pool", "prefork", "--concurrency", str(concurrency)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [*_celery("worker"), *queues, *size, *quiet]


def beat() -> list[str]:
    """Return the command line of the scheduler, which keeps no state in files."""
    return [*_celery("beat"), "-S", "celery.beat:Scheduler", "--pidfile="]


def agent(home: Path, *command: str) -> list[str]:
    """Return the command line of the agent of a host, or of one of its commands."""
    return [sys.executable, "-m", "zac", "--home", str(home), *(command or ("run",))]


def _celery(command: str) -> list[str]:
    # Without the banner, which is not a log line.
    return [sys.executable, "-m", "celery", "--app", "zcc", "--quiet", command]
