"""What scenarios ask of a running zone beyond the harness: its operation, its servers' word."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pki.certificates import details
from pki.chains import chains
from tests.harness.evidence import Contact, leaked_secrets
from tests.harness.places import another_time, loopback_network
from tests.harness.program import Program
from tests.harness.zone import Zone, until
from wire.messages import AUTHENTICATION_SATELLITE, MANAGED
from zcc.runtime import broker, processes
from zcc.runtime.components import BASE_DIR
from zcc.runtime.layout import Host, Layout


class RunningZone(Zone):
    """An embedded zone whose console can be asked and told things by its own code."""

    def __init__(self, home: Path, plan: Layout, environment: dict[str, str]) -> None:
        super().__init__(home, plan, environment)
        self._strangers: list[subprocess.Popen[bytes]] = []
        self._inside: dict[str, subprocess.Popen[str]] = {}
        self._additional_listeners: list[tuple[str, str, int]] = []

    def close(self) -> None:
        """End it, and the devices that the launcher knows nothing of."""
        _kill(*self._inside.values(), *self._strangers)
        super().close()

    def end_inside(self) -> None:
        """End the processes of `run`, which have the database open."""
        _kill(*self._inside.values())

    def run(self, code: str, *, server: str = "ps-01") -> str:
        """Run a piece of the console's own code in a process of one Primary Server."""
        process = self._inside.get(server)
        if process is None or process.poll() is not None:
            process = self._inside[server] = self._start_inside(server)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(code) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or '{"error": "it has ended"}')
        assert "error" not in answer, answer["error"]
        return str(answer["printed"])

    def _start_inside(self, server: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.harness.inside"],
            cwd=BASE_DIR,
            env={
                **self._environment,
                "PATH": "/usr/bin:/bin",
                "DJANGO_SETTINGS_MODULE": "zcc.settings",
                "ZCC_HOME": str(self.home),
                "ZCC_SERVER_HOME": str(self.home / "servers" / server),
                "ZCC_BROKER_URL": broker.get_url(self.home),
                "ZCC_LOG_LEVEL": "WARNING",
                "ZCC_ALLOW_LOOPBACK": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - short
        )

    def program(self, server: str = "ps-01", *, dateless: bool = False) -> Program:
        """Return a program that uses the REST API of one Primary Server."""
        return Program(self, server, dateless=dateless)

    def look(self) -> dict[str, Any]:
        """Return the newest operation with its assignments and futures."""
        loaded: dict[str, Any] = json.loads(self.run(LOOK).splitlines()[-1])
        return loaded

    def reaches(self, *states: str, seconds: float = 240) -> dict[str, Any]:
        """Wait for the newest operation to reach one of some states; returns it."""
        seen: dict[str, Any] = {}

        def there() -> bool:
            seen.clear()
            seen.update(self.look())
            return seen.get("state") in states

        try:
            until(there, f"the operation is {' or '.join(states)}", seconds)
        except AssertionError as error:
            shown = {name: value for name, value in seen.items() if name not in ("old", "new")}
            raise AssertionError(f"{error}: {json.dumps(shown)}") from error
        return seen

    def completes(self, seconds: float = 300, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
        """Wait for the end: every device is activated, every server shows the new CA."""
        seen = self.reaches("completed", seconds=seconds)
        left = {name for name, state in seen["assigned"].items() if state != "activated"}
        assert left == set(but), seen["assigned"]
        if seen["new"] != seen["old"]:
            assert len(self.verify(seen["new"])) == len(self.listeners()), "all show the new CA"
        assert leaked_secrets(self.home) == []
        return seen

    def everybody_is_in_contact(self, seconds: float = 60) -> None:
        """Wait until every host has made a verified contact after now."""
        before = time.time()
        names = {host.name for host in self.hosts()}

        def all_came() -> bool:
            return names <= {one.host for one in self.contacts() if one.ok and one.t > before}

        until(all_came, "every host is in verified contact", seconds)

    def journal(self, name: str, *events: str) -> list[dict[str, Any]]:
        """Return what an agent has noted in its journal, or only some kinds of it."""
        path = next(self.home.glob(f"*/{name}/journal.jsonl"))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in lines if not events or line["event"] in events]

    def trusted(self, name: str) -> set[str]:
        """Return the digests of the roots that a host trusts."""
        path = next(self.home.glob(f"*/{name}/security/current/ca.pem"))
        return {details.get_digest(pem) for pem in chains.split(path.read_text())}

    def add_device(self, name: str, number: int, *, faketime: str = "") -> Path:
        """Start one more managed device outside the launcher, with a clock of its own."""
        return self.add_agent(name, number, faketime=faketime)

    def add_agent(
        self,
        name: str,
        number: int,
        *,
        role: str = MANAGED,
        code: Path = BASE_DIR,
        faketime: str = "",
    ) -> Path:
        """Register and start a host outside the launcher; `code` is the folder of its agent."""
        home = self.home / ("devices" if role == MANAGED else "satellites") / name
        around = {**os.environ, **(another_time(faketime) if faketime else {})}
        host = Host(name, role, f"{self.plan.base}.{number}", home)
        facts = ["--name", name, "--address", host.address]
        if role == AUTHENTICATION_SATELLITE:
            host = replace(host, port=self.plan.port)
            # The name of the option in the previous version, an alias in this one.
            preflight = ["--rehearsal-port", str(self.plan.port + 1)]
            facts += ["--fqdn", host.fqdn, "--port", str(host.port), *preflight]
        if role != MANAGED:
            self._additional_listeners.append((name, host.address, host.port))
        self._joins(home, role, facts, around, code)
        with (self.home / "logs" / f"{name}.agent.log").open("wb") as log:
            self._strangers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "zac", "--home", str(home), "run"],
                    cwd=code,
                    env=around,
                    stdout=log,
                    stderr=log,
                    preexec_fn=partial(processes.end_with_parent, os.getpid()),  # noqa: PLW1509 - short
                )
            )
        return home

    def register(self, host: Host) -> None:
        """Register a host of the launcher anew, with its own name, address and parent."""
        facts = [*host.arguments(), *(["--parent", host.parent] if host.parent else [])]
        self._joins(host.home, host.role, facts, dict(os.environ))

    def _joins(
        self,
        home: Path,
        role: str,
        facts: list[str],
        around: dict[str, str],
        code: Path = BASE_DIR,
    ) -> None:
        key = json.loads((self.home / "registration-keys.json").read_text())[role]
        zac = [sys.executable, "-m", "zac", "--home", str(home)]
        subprocess.run(
            [*zac, "reg", self.access["url"], "--key", "-", "--role", role, *facts],
            input=key.encode(),
            cwd=code,
            env=around,
            check=True,
            capture_output=True,
            timeout=60,
        )

    def refused(self) -> list[Contact]:
        """Return the contacts whose certificate was refused."""
        return [contact for contact in self.contacts() if contact.refused]

    def verify(self, root_pem: str) -> dict[str, str]:
        """Shake hands with every server, trusting one root alone; returns leaf digests by name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=root_pem)
        found = {}
        for name, address, port in self.listeners():
            with (
                socket.create_connection((address, port), timeout=20) as plain,
                context.wrap_socket(plain, server_hostname=address) as line,
            ):
                shown = line.getpeercert(binary_form=True)
            assert shown is not None
            found[name] = details.get_digest(ssl.DER_cert_to_PEM_cert(shown))
        return found

    def listeners(self) -> list[tuple[str, str, int]]:
        """Return name, address and port of every server that shows a certificate."""
        hosts = [*self.hosts("primary"), *self.hosts("authentication-satellite")]
        known = [(host.name, host.address, host.port) for host in hosts]
        return [*known, *self._additional_listeners]


def _kill(*processes: subprocess.Popen[Any]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


LOOK = """
import json
from certificates.models import Operation
op = Operation.objects.select_related("update", "authority", "future_authority").first()
seen = {}
if op:
    seen = {"id": str(op.pk), "state": op.state, "reason": op.reason,
            "old": op.authority.root_pem, "activates_at": str(op.activates_at),
            "new": op.future_authority.root_pem if op.future_authority else "",
            "futures": dict(op.futures.values_list("device__name", "state"))}
    if op.update:
        seen["assigned"] = dict(op.update.assignments.values_list("device__name", "state"))
        seen["replicas"] = dict(op.update.replicas.values_list("server__name", "state"))
print(json.dumps(seen))
"""

# Start a Remint CA as the dialog does; `seconds` from now until the activation.
REMINT = """
from datetime import timedelta
from uuid import uuid4
from django.db import transaction
from django.utils import timezone
from certificates.operations import creation, requests
now = timezone.now()
seconds = {seconds}
at = now + timedelta(seconds=seconds) if seconds else None
request = requests.RemintCARequest(
    common_name="DEMO-ZONE", key_length=256, years=10, include_dns=False, activates_at=at
)
with transaction.atomic():
    op = creation.remint_ca(request, by=None, key=uuid4(), now=now)
    op.parameters.update({extra})
    op.save(update_fields=["parameters"])
"""


def remint(zone: RunningZone, seconds: int = 75, **extra: object) -> None:
    """Start a Remint CA in a running zone; 0 seconds asks for Immediate."""
    zone.run(REMINT.format(seconds=seconds, extra=extra))


@contextmanager
def scenario_zone(
    folder: Path,
    *,
    devices: int = 3,
    primaries: int = 2,
    satellites: int = 2,
    before: Callable[[RunningZone], None] | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[RunningZone]:
    """Run a zone on a loopback network of its own; `before` may prepare its folder."""
    with loopback_network() as base:
        plan = Layout(base=base, devices=devices, primaries=primaries, satellites=satellites)
        zone = RunningZone(folder / "zcc", plan, environment or {})
        try:
            if before is not None:
                before(zone)
            zone.start()
            yield zone
        finally:
            zone.close()
