"""Programs of several versions, and a device whose agent runs from one of them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.agent_programs import BUILD, NEW, OLD, build_version
from tests.zac.support.zone import Signer, Zone
from wire import records
from wire.envelope import pre_authentication_encoding
from wire.metadata import AGENT, sha256
from wire.update_messages import AgentOffer
from zac.host.host import Host
from zac.upgrades import installation


def build_offer(
    zone: Zone, data: bytes, version: str = NEW, signer: Signer | None = None
) -> AgentOffer:
    """Return the offer of a file, which the zone has as content."""
    zone.store("zac.pyz", data)
    encoded = pre_authentication_encoding(AGENT, data)
    signature = (signer or zone.signer).key.sign(encoded)
    return AgentOffer(
        id="upgrade-1",
        version=f"{version}+{BUILD}",
        sha256=sha256(data),
        size=len(data),
        signature=base64.b64encode(signature).decode(),
        time_limit=60,
    )


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


@dataclasses.dataclass
class Installed:
    """An agent as a zip application on a device, and its service."""

    program: Path
    host: Host
    zone: Zone

    @contextlib.contextmanager
    def service(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the service, as systemd does it."""
        command = [sys.executable, "-I", str(self.program), "--home", self.host.home.path, "run"]
        with subprocess.Popen(command, cwd="/", start_new_session=True) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, *arguments: str) -> str:
        """Run a command of the installed program, and return its output."""
        command = [sys.executable, "-I", str(self.program), *arguments]
        environment = {**os.environ, "ZAC_HOME": self.host.home.path}
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, check=True)
        return done.stdout.decode()

    def offer(self, data: bytes, version: str = NEW) -> None:
        """Offer a file at each refresh from now on."""
        offered = build_offer(self.zone, data, version)
        self.zone.offer = records.replace(self.zone.offer, agent_upgrade=offered)

    def reported(self) -> str:
        """Return the release of the last refresh, "" before the first one."""
        return self.zone.refreshes[-1].agent.split("+")[0] if self.zone.refreshes else ""


@pytest.fixture
def installed(zone: Zone, device: Host, tmp_path: Path) -> Installed:
    """Return a registered device with an older agent, which refreshes each second."""
    zone.refresh_s = 0.5
    program = tmp_path / "zac"
    program.write_bytes(build_version(OLD))
    Path(device.home.path_to(installation.OPT_IN)).touch()
    return Installed(program, device, zone)
