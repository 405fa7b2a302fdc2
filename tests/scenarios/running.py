"""What scenarios ask of a running zone beyond the harness: its operation, its servers' word."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pki import details
from tests.harness.evidence import Contact
from tests.harness.places import loopback_network
from tests.harness.zone import Zone, until
from zcc import broker
from zcc.layout import Layout
from zcc.parts import BASE_DIR


class RunningZone(Zone):
    """An embedded zone whose console can be asked and told things by its own code."""

    def __init__(self, home: Path, plan: Layout, environment: dict[str, str]) -> None:
        super().__init__(home, plan, environment)
        self._strangers: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        """End it, and the devices that the launcher knows nothing of."""
        for process in self._strangers:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
        super().close()

    def run(self, code: str, *, server: str = "ps-01") -> str:
        """Run a piece of the console's own code as a process of one Primary Server."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            cwd=BASE_DIR,
            env={
                **self._environment,
                "PATH": "/usr/bin:/bin",
                "DJANGO_SETTINGS_MODULE": "zcc.settings",
                "ZCC_HOME": str(self.home),
                "ZCC_SERVER_HOME": str(self.home / "servers" / server),
                "ZCC_BROKER_URL": broker.url(self.home),
                "ZCC_LOG_LEVEL": "WARNING",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

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

    def add_device(self, name: str, number: int, *, faketime: str = "") -> Path:
        """Start one more managed device beside the launcher's, with a clock of its own."""
        home = self.home / "devices" / name
        before = ["faketime", "-f", faketime] if faketime else []
        assert not before or shutil.which("faketime"), "the Debian package faketime is missing"
        zac = [*before, sys.executable, "-m", "zac", "--home", str(home)]
        key = json.loads((self.home / "registration-keys.json").read_text())["managed"]
        address = f"{self.plan.base}.{number}"
        joining = ["reg", self.access["url"], "--key", "-", "--name", name, "--address", address]
        subprocess.run(
            [*zac, *joining],
            input=key.encode(),
            cwd=BASE_DIR,
            check=True,
            capture_output=True,
            timeout=60,
        )
        with (self.home / "logs" / f"{name}.agent.log").open("wb") as log:
            self._strangers.append(
                subprocess.Popen([*zac, "run"], cwd=BASE_DIR, stdout=log, stderr=log)
            )
        return home

    def refused(self) -> list[Contact]:
        """Return the contacts whose certificate was refused."""
        return [contact for contact in self.contacts() if contact.refused]

    def verify(self, root_pem: str) -> dict[str, str]:
        """Shake hands with every server, trusting one root alone; returns leaf digests by name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=root_pem)
        found = {}
        for name, address, port in self._listeners():
            with (
                socket.create_connection((address, port), timeout=20) as plain,
                context.wrap_socket(plain, server_hostname=address) as line,
            ):
                shown = line.getpeercert(binary_form=True)
            assert shown is not None
            found[name] = details.digest(ssl.DER_cert_to_PEM_cert(shown))
        return found

    def _listeners(self) -> list[tuple[str, str, int]]:
        hosts = [*self.hosts("primary"), *self.hosts("authentication-satellite")]
        return [(host.name, host.address, host.port) for host in hosts]


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
from certificates.operations import orders, starting
now = timezone.now()
seconds = {seconds}
at = now + timedelta(seconds=seconds) if seconds else None
order = orders.RemintCA("DEMO-ZONE", 256, 10, False, at)
with transaction.atomic():
    op = starting.remint_ca(order, by=None, key=uuid4(), now=now)
    op.order.update({extra})
    op.save(update_fields=["order"])
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
) -> Iterator[RunningZone]:
    """Run a zone on a loopback network of its own; `before` may prepare its folder."""
    with loopback_network() as base:
        plan = Layout(base=base, devices=devices, primaries=primaries, satellites=satellites)
        zone = RunningZone(folder / "zcc", plan, {})
        try:
            if before is not None:
                before(zone)
            zone.start()
            yield zone
        finally:
            zone.close()
