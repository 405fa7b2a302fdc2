"""A zone that really runs: started by the launcher, watched from outside, faults put into it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pki import details
from zcc import broker

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 240
# A private key in PEM; agents keep theirs under security/, vault/ and remint-repo/.
SECRET = b"PRIVATE KEY-----"
KEY_FOLDERS = ("security", "vault", "remint-repo")


@dataclass
class RunningZone:
    """One embedded zone in a folder, with the parts a scenario needs to act on."""

    home: Path
    base: str
    devices: int = 3
    primaries: int = 2
    satellites: int = 2
    launcher: subprocess.Popen[bytes] | None = None
    extra: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Return what the launcher and commands for this zone run with."""
        return {
            **os.environ,
            "ZCC_HOME": str(self.home),
            "ZCC_ADDRESS_BASE": self.base,
            "ZCC_DEVICES": str(self.devices),
            "ZCC_PRIMARIES": str(self.primaries),
            "ZCC_SATELLITES": str(self.satellites),
            "DJANGO_SETTINGS_MODULE": "zcc.settings",
        }

    def start(self) -> None:
        """Start the launcher and wait until it says that the zone is ready."""
        output = self.home.parent / f"{self.home.name}.out"
        with output.open("wb") as file:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "zcc.launcher"],
                cwd=ROOT,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.wait(
            lambda: b"ZCC is ready at" in output.read_bytes() or self._ended(output),
            READY_WITHIN,
            "the zone to be ready",
        )

    def _ended(self, output: Path) -> bool:
        assert self.launcher is not None
        assert self.launcher.poll() is None, output.read_text()
        return False

    def stop(self) -> None:
        """End the zone as Ctrl-C does; it must be gone within ten seconds and a bit."""
        for process in self.extra:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
        if self.launcher is not None and self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGINT)
            self.launcher.wait(timeout=30)

    def wait(self, ready: Callable[[], object], seconds: float, what: str) -> None:
        """Look again and again until something is so; fails with what was waited for."""
        until = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < until, f"waited {seconds} s for {what}; {self.state()}"
            time.sleep(0.5)

    def state(self) -> str:
        """Return how the newest operation stands, for the message of a failed wait."""
        with suppress(Exception):
            return json.dumps(self.look())
        return "no state"

    @property
    def access(self) -> dict[str, str]:
        """Return the administrator's way in."""
        loaded: dict[str, str] = json.loads((self.home / "access.json").read_text())
        return loaded

    def run(self, code: str, server: str = "ps-01") -> str:
        """Run a piece of the console's own code as a process of this zone."""
        env = {
            **self.environment,
            "ZCC_SERVER_HOME": str(self.home / "servers" / server),
            "ZCC_BROKER_URL": broker.url(self.home),
        }
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            cwd=ROOT,
            env=env,
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

    def until(self, state: str, seconds: float) -> dict[str, Any]:
        """Wait for the newest operation to reach a state."""
        seen: dict[str, Any] = {}

        def there() -> bool:
            seen.update(self.look())
            return seen.get("state") == state

        self.wait(there, seconds, f"the operation to be {state}")
        return seen

    # Faults

    def pid(self, name: str) -> int:
        """Return the process of one part, such as `ps-01.worker` or `device-02.agent`."""
        return int(json.loads((self.home / "processes.json").read_text())[name])

    def names(self) -> list[str]:
        """Return the names of all running parts."""
        return sorted(json.loads((self.home / "processes.json").read_text()))

    def kill(self, name: str) -> None:
        """Kill a part as a power cut would; the launcher starts it again."""
        with suppress(ProcessLookupError):
            os.kill(self.pid(name), signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """Stop a part in its tracks."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen part go on."""
        os.kill(self.pid(name), signal.SIGCONT)

    def add_device(self, name: str, address: str, *, faketime: str = "") -> Path:
        """Start one more managed device outside the launcher, with a clock of its own."""
        home = self.home / "devices" / name
        before = ["faketime", "-f", faketime] if faketime else []
        assert not before or shutil.which("faketime"), "the Debian package faketime is missing"
        zac = [*before, sys.executable, "-m", "zac", "--home", str(home)]
        key = json.loads((self.home / "registration-keys.json").read_text())["managed"]
        subprocess.run(
            [*zac, "reg", self.access["url"], "--key", "-", "--name", name, "--address", address],
            input=key,
            text=True,
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=60,
        )
        with (self.home / "logs" / f"{name}.agent.log").open("wb") as log:
            self.extra.append(
                subprocess.Popen(
                    [*zac, "run"], cwd=ROOT, stdout=log, stderr=log, start_new_session=True
                )
            )
        return home

    # What can be seen from outside

    def homes(self) -> list[Path]:
        """Return the home of every host."""
        kinds = ("servers", "satellites", "devices")
        return sorted(home for kind in kinds for home in (self.home / kind).glob("*"))

    def contacts(self) -> list[dict[str, Any]]:
        """Return every line of every contact journal, with the host that wrote it."""
        found = []
        for home in self.homes():
            for path in sorted(home.glob("contact.jsonl*")):
                lines = path.read_text().splitlines()
                found += [{"host": home.name, **json.loads(line)} for line in lines]
        return found

    def refused(self) -> list[dict[str, Any]]:
        """Return the contacts whose certificate was refused."""
        return [contact for contact in self.contacts() if contact["refused"]]

    def served(self) -> dict[str, str]:
        """Return by server name the PEM of the certificate its TLS listener shows now."""
        found = {}
        for home in self.homes():
            device = json.loads((home / "device.json").read_text())
            if device["role"] in ("primary", "authentication-satellite"):
                found[home.name] = ssl.get_server_certificate(
                    (device["addresses"][0], device["port"]), timeout=10
                )
        return found

    def verify(self, root_pem: str) -> dict[str, str]:
        """Shake hands with every server trusting one root alone; returns leaf digests."""
        found = {}
        for home in self.homes():
            device = json.loads((home / "device.json").read_text())
            if device["role"] not in ("primary", "authentication-satellite"):
                continue
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=root_pem)
            address = (device["addresses"][0], device["port"])
            with (
                socket.create_connection(address, timeout=10) as plain,
                context.wrap_socket(plain, server_hostname=address[0]) as line,
            ):
                der = line.getpeercert(binary_form=True) or b""
            found[home.name] = details.digest(ssl.DER_cert_to_PEM_cert(der))
        return found

    def leaks(self) -> list[str]:
        """Return every file outside the agents' own key folders that holds a private key."""
        found = []
        for path in self.home.rglob("*"):
            if not path.is_file() or any(part in KEY_FOLDERS for part in path.parts):
                continue
            if SECRET in path.read_bytes():
                found.append(str(path.relative_to(self.home)))
        return found


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
from certificates.models import Operation
from certificates.operations import orders, starting
now = timezone.now()
order = orders.RemintCA("DEMO-ZONE", 256, 10, False, now + timedelta(seconds={seconds}))
with transaction.atomic():
    op = starting.remint_ca(order, by=None, key=uuid4(), now=now)
    op.order.update({extra})
    op.save(update_fields=["order"])
print(op.pk)
"""


def remint(zone: RunningZone, seconds: int = 75, **extra: object) -> None:
    """Start a Remint CA in a running zone."""
    zone.run(REMINT.format(seconds=seconds, extra=extra))


@contextmanager
def running(home: Path, base: str, **options: Any) -> Iterator[RunningZone]:
    """Run a zone for the length of a scenario; its logs stay in the folder when it fails."""
    zone = RunningZone(home, base, **options)
    try:
        zone.start()
        yield zone
    finally:
        zone.stop()
