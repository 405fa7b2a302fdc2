"""Run a demo zone in the foreground (`make run`).

The zone runs on the loopback network: Primary Servers with web server, worker and agent, satellites
and managed devices. Each host has its own address and agent process. The state is in ZCC_HOME; the
next start continues with the same zone. Ctrl+C stops it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from console.requests import logs
from faults import Fault, Refused, Unavailable
from wire.messages import MANAGED, PRIMARY
from zcc.runtime import agent, broker, environment, layout, processes
from zcc.runtime.components import BASE_DIR, REGISTERED, Components
from zcc.runtime.layout import Host, Layout
from zcc.runtime.supervisor import Stopped, Supervisor

ZONE_NAME = "DEMO-ZONE"
MAX_PARALLEL_REGISTRATIONS = 4
REGISTRATION_ATTEMPTS = 3
START_TIMEOUT_SECONDS = 120.0


class Zone:
    """The demo zone in one ZCC_HOME."""

    def __init__(self, home: Path, plan: Layout) -> None:
        self._home = home
        self._hosts = plan.hosts(home)
        self._components = Components(home)
        self._supervisor = Supervisor(home, print_line)

    def run(self) -> None:
        """Start all hosts, and keep them running until a signal stops the zone."""
        self._supervisor.handle_signals()
        try:
            self._prepare()
            self._start_zone()
            print_line(
                f"The administrator's user name and password are in {self._home / 'access.json'}"
            )
            print_line(f"ZCC is ready at {self._first.url}")
            while True:
                self._supervisor.check()
        except Stopped:
            print_line("Stopping")
        finally:
            self._supervisor.stop()

    @property
    def _first(self) -> Host:
        return self._hosts[0]

    def _prepare(self) -> None:
        check_ports(self._hosts)
        create_secret_key(self._home)
        print_line(f"Preparing the database and the broker in {self._home}")
        self._command(self._components.manage("migrate", "--verbosity", "0"))
        self._command(self._components.manage("collectstatic", "--noinput", "--verbosity", "0"))
        self._supervisor.add(broker.build_program(self._home), last=True)
        self._supervisor.wait_until(
            lambda: broker.is_ready(self._home), 20, "The broker did not start"
        )
        if not (self._home / "access.json").exists():
            print_line(f"Creating the zone {ZONE_NAME}")
            self._command(self._components.create_zone(self._first, ZONE_NAME))

    def _start_zone(self) -> None:
        self._start([self._first])
        self._supervisor.add(self._components.beat(self._first))
        self._wait_for([self._first])
        servers = [host for host in self._hosts[1:] if host.role != MANAGED]
        self._register_and_start(servers)
        self._register_and_start([host for host in self._hosts if host.role == MANAGED])
        self._wait_for(servers)

    def _start(self, hosts: Sequence[Host]) -> None:
        for host in hosts:
            if host.role == PRIMARY:
                agent.create_ca_vault_key(host.home)
            for program in self._components.of(host):
                self._supervisor.add(program)

    def _register_and_start(self, hosts: Sequence[Host]) -> None:
        keys = json.loads((self._home / "registration-keys.json").read_text())
        for start in range(0, len(hosts), MAX_PARALLEL_REGISTRATIONS):
            group = hosts[start : start + MAX_PARALLEL_REGISTRATIONS]
            for _ in range(REGISTRATION_ATTEMPTS):
                self._register([host for host in group if not host.is_registered], keys)
            missing = [host.name for host in group if not host.is_registered]
            if missing:
                raise Unavailable(
                    (f"{', '.join(missing)} could not be registered. All processes were stopped."),
                    action=(
                        f"For the reason, see {self._supervisor.log(f'{missing[0]}.register')}."
                    ),
                )
            self._start(group)

    def _register(self, hosts: Sequence[Host], keys: dict[str, str]) -> None:
        if not hosts:
            return
        print_line(f"Registering {', '.join(host.name for host in hosts)}")
        for host in hosts:
            host.home.parent.mkdir(exist_ok=True)
        commands = [self._components.register(host, self._first.url) for host in hosts]
        codes = self._supervisor.run(commands, stdin=[keys[host.role] + "\n" for host in hosts])
        for host, code in zip(hosts, codes, strict=True):
            if code not in REGISTERED:
                print_line(f"{host.name} is not registered yet (exit code {code})")

    def _wait_for(self, hosts: Sequence[Host]) -> None:
        for host in hosts:
            port = host.port or host.content_port
            self._supervisor.wait_until(
                partial(_is_listening, host.address, port),
                START_TIMEOUT_SECONDS,
                f"{host.name} at {host.address}:{port} did not start",
            )

    def _command(self, program: processes.Program) -> None:
        code = self._supervisor.run([program])[0]
        if code != 0:
            log = self._supervisor.log(program.name)
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(
                (f"The command {program.name} failed: {''.join(last)} All processes were stopped."),
                action=f"For the complete output, see {log}.",
            )


def check_ports(hosts: Sequence[Host]) -> None:
    """Raise a fault if a port is in use."""
    for host in hosts:
        for port in host.ports():
            try:
                with closing(socket.socket()) as trial:
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    trial.bind((host.address, port))
            except OSError as error:
                raise Refused(
                    f"{host.name} cannot listen on {host.address}:{port}: "
                    f"{error.strerror}. Nothing was started.",
                    action="Stop the program that uses this port. "
                    "Alternatively, create a new zone on different "
                    "ports: set ZCC_HOME, and ZCC_PORT, "
                    "ZCC_CONTENT_PORT, or ZCC_ADDRESS_BASE.",
                ) from error


def create_secret_key(home: Path) -> None:
    """Create Django's secret key at the first start (0600)."""
    path = home / "django-secret.key"
    if environment.text("ZCC_SECRET_KEY") or path.exists():
        return
    new = home / "django-secret.key.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(64))
    new.replace(path)


@contextmanager
def lock_home(home: Path) -> Iterator[None]:
    """Lock a ZCC_HOME. Raises a fault if another launcher runs in it."""
    with (home / "launcher.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                f"A zone is already running in {home}. Nothing was started.",
                action=("Stop the running zone first, or set ZCC_HOME to a different directory."),
            ) from error
        yield


def print_line(text: str) -> None:
    """Print a line immediately, as JSON if ZCC_LOG_FORMAT=json."""
    if environment.text("ZCC_LOG_FORMAT") == "json":
        values = {"name": "zcc.runtime.launcher", "levelname": "INFO", "msg": text}
        text = logs.JsonFormatter("launcher").format(logging.makeLogRecord(values))
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _is_listening(address: str, port: int) -> bool:
    with closing(socket.socket()) as client:
        client.settimeout(1)
        return client.connect_ex((address, port)) == 0


def main() -> int:
    """Run the zone, and return the exit code."""
    ArgumentParser(prog="python -m zcc.runtime.launcher", description=__doc__).parse_args()
    processes.harden()
    home = Path(environment.text("ZCC_HOME", str(BASE_DIR / "var"))).absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock_home(home):
            plan = layout.get_layout(home)
            zone = Zone(home, plan)
            layout.save_layout(home, plan)
            zone.run()
    except (Fault, ImproperlyConfigured) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
