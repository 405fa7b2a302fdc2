"""Run a demo zone in the foreground (`make run`).

A small but real zone on the loopback network: Primary Servers with web, worker and agent,
satellites and managed devices, each host with an address and an agent process of its own. What it
knows is in ZCC_HOME; started again it goes on where it was. Ctrl-C ends all of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from faults import Fault, Refused, Unavailable
from wire.messages import MANAGED, PRIMARY
from zcc.runtime import agent, broker, environment, layout, processes
from zcc.runtime.layout import Host, Layout
from zcc.runtime.parts import BASE_DIR, REGISTERED, Parts
from zcc.runtime.supervisor import Stopped, Supervisor

ZONE = "DEMO-ZONE"
AT_ONCE = 4
ATTEMPTS = 3
PATIENCE_SECONDS = 120.0


class Zone:
    """The zone in one ZCC_HOME, as it comes up."""

    def __init__(self, home: Path, plan: Layout) -> None:
        self._home = home
        self._hosts = plan.hosts(home)
        self._parts = Parts(home)
        self._supervisor = Supervisor(home, say)

    def run(self) -> None:
        """Bring everything up and keep it up until somebody asks for the end."""
        self._supervisor.obey_signals()
        try:
            self._prepare()
            self._bring_up()
            say(f"The administrator's name and password are in {self._home / 'access.json'}")
            say(f"ZCC is ready at {self._first.url}")
            while True:
                self._supervisor.tend()
        except Stopped:
            say("Stopping")
        finally:
            self._supervisor.stop()

    @property
    def _first(self) -> Host:
        return self._hosts[0]

    def _prepare(self) -> None:
        check_ports(self._hosts)
        make_secret_key(self._home)
        say(f"Preparing the database and the broker in {self._home}")
        self._command(self._parts.manage("migrate", "--verbosity", "0"))
        self._command(self._parts.manage("collectstatic", "--noinput", "--verbosity", "0"))
        self._supervisor.keep(broker.program(self._home), last=True)
        self._supervisor.wait_until(
            lambda: broker.answers(self._home), 20, "The broker did not answer"
        )
        if not (self._home / "access.json").exists():
            say(f"Creating the zone {ZONE}")
            self._command(self._parts.create_zone(self._first, ZONE))

    def _bring_up(self) -> None:
        self._start([self._first])
        self._supervisor.keep(self._parts.beat(self._first))
        self._wait_for([self._first])
        servers = [host for host in self._hosts[1:] if host.role != MANAGED]
        self._join(servers)
        self._join([host for host in self._hosts if host.role == MANAGED])
        self._wait_for(servers)

    def _start(self, hosts: Sequence[Host]) -> None:
        for host in hosts:
            if host.role == PRIMARY:
                agent.keep(host.home)
            for program in self._parts.of(host):
                self._supervisor.keep(program)

    def _join(self, hosts: Sequence[Host]) -> None:
        keys = json.loads((self._home / "registration-keys.json").read_text())
        for start in range(0, len(hosts), AT_ONCE):
            group = hosts[start : start + AT_ONCE]
            for _ in range(ATTEMPTS):
                self._register([host for host in group if not host.joined], keys)
            missing = [host.name for host in group if not host.joined]
            if missing:
                raise Unavailable(
                    f"{', '.join(missing)} could not register. All parts were stopped again.",
                    action=f"{self._supervisor.log(f'{missing[0]}.register')} says why.",
                )
            self._start(group)

    def _register(self, hosts: Sequence[Host], keys: dict[str, str]) -> None:
        if not hosts:
            return
        say(f"Registering {', '.join(host.name for host in hosts)}")
        for host in hosts:
            host.home.parent.mkdir(exist_ok=True)
        commands = [self._parts.register(host, self._first.url) for host in hosts]
        codes = self._supervisor.run(commands, stdin=[keys[host.role] + "\n" for host in hosts])
        for host, code in zip(hosts, codes, strict=True):
            if code not in REGISTERED:
                say(f"{host.name} did not register yet (exit code {code})")

    def _wait_for(self, hosts: Sequence[Host]) -> None:
        for host in hosts:
            port = host.port or host.content_port
            place = f"{host.name} at {host.address}:{port}"
            self._supervisor.wait_until(
                partial(_answers, host.address, port),
                PATIENCE_SECONDS,
                f"{place} did not answer",
            )

    def _command(self, program: processes.Program) -> None:
        code = self._supervisor.run([program])[0]
        if code != 0:
            log = self._supervisor.log(program.name)
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(
                f"The command {program.name} failed: {''.join(last)} Nothing is running.",
                action=f"Its whole output is in {log}.",
            )


def check_ports(hosts: Sequence[Host]) -> None:
    """Refuse to start when a port is taken, before anything is started."""
    for host in hosts:
        for port in host.ports():
            try:
                with closing(socket.socket()) as trial:
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    trial.bind((host.address, port))
            except OSError as error:
                raise Refused(
                    f"{host.name} cannot use {host.address}:{port}: {error.strerror}."
                    " Nothing was started.",
                    action="End the program that uses it, or choose other ports for a new zone"
                    " with ZCC_HOME and ZCC_PORT, ZCC_CONTENT_PORT or ZCC_ADDRESS_BASE.",
                ) from error


def make_secret_key(home: Path) -> None:
    """Make Django's secret key at the first start (0600)."""
    path = home / "django-secret.key"
    if environment.text("ZCC_SECRET_KEY") or path.exists():
        return
    new = home / "django-secret.key.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(64))
    new.replace(path)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the lock of a ZCC_HOME; raises Refused if another launcher runs in it."""
    with (home / "launcher.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                f"A zone is running in {home} already. Nothing was started.",
                action="End it first, or choose another ZCC_HOME.",
            ) from error
        yield


def say(line: str) -> None:
    """Tell the one at the terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _answers(address: str, port: int) -> bool:
    with closing(socket.socket()) as client:
        client.settimeout(1)
        return client.connect_ex((address, port)) == 0


def main() -> int:
    """Run the zone; returns the exit code."""
    processes.harden()
    home = Path(environment.text("ZCC_HOME", str(BASE_DIR / "var"))).absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(home):
            plan = layout.decide(home)
            zone = Zone(home, plan)
            layout.keep(home, plan)
            zone.run()
    except (Fault, ImproperlyConfigured) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
