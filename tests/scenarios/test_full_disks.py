"""The disk of one part after another is full while an operation is under way (F-17).

Database, broker, Primary Server, CA vault, and a satellite have a small file system each. Each is
filled for a while. Nothing is lost, and everything continues when there is room.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.harness import installation as installations
from tests.harness.agents import Agent
from tests.harness.installation import Data, Server
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.production import activate_soon, ends_well, look, reaches
from tests.scenarios.running_zone import REMINT
from tests.scenarios.test_full_disk import fill, mounted
from wire.messages import CONTENT_SATELLITE

pytestmark = [pytest.mark.scenario, pytest.mark.long, pytest.mark.timeout(900)]
PAGE = "/configuration/certificates/"
# Longer than a refresh, a periodic task, and a checkpoint of the audit log.
FULL_SECONDS = 10
# The health check reports a Primary Server with less than 256 MiB.
SIZES = {"broker": 32, "ps-01": 320, "ps-01-ca-vault": 4, "agents/cs-01": 8}
DATABASE = 256


@pytest.fixture
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """A small file system for each part, by its folder."""
    with ExitStack() as stack:
        found = {
            name: stack.enter_context(mounted(tmp_path / name, size))
            for name, size in SIZES.items()
        }
        place = tempfile.TemporaryDirectory(prefix="zcc-production-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(place))
        found["database"] = stack.enter_context(mounted(folder, DATABASE))
        monkeypatch.setattr(installations, "postgres_folder", lambda: kept(folder))
        yield found


@contextmanager
def kept(folder: Path) -> Iterator[str]:
    """Give a folder that exists."""
    yield str(folder)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill a file system for a while."""
    ballast = fill(folder)
    try:
        yield
        time.sleep(FULL_SECONDS)
    finally:
        ballast.unlink()


class Checks:
    """What must hold while the disk of one part is full."""

    def __init__(self, visitor: Visitor, satellite: Agent, device: Agent) -> None:
        self.visitor, self.satellite, self.device = visitor, satellite, device

    def parts(self) -> dict[str, str]:
        """Return the states of the parts."""
        return dict(self.visitor.get("/healthz").json["parts"])

    def are_well(self) -> bool:
        """Return True if all parts are well."""
        return set(self.parts().values()) == {"ok"}

    def database(self) -> None:
        page = self.visitor.get(PAGE)
        assert page.status in (200, 503)
        assert "Traceback" not in page.text

    def broker(self) -> None:
        until(lambda: self.parts()["broker"] == "failed", "the full disk is reported", 20)
        assert self.visitor.get(PAGE).status == 200

    def home(self) -> None:
        until(lambda: self.parts()["disk"] == "failed", "the full disk is reported", 20)
        assert self.visitor.get(PAGE).status == 200

    def ca_vault(self) -> None:
        assert self.parts()["vault"] == "ok"
        assert self.visitor.get(PAGE).status == 200

    def agent(self) -> None:
        since = time.time()
        until(lambda: "No space left" in self.satellite.log.read_text(), "the agent says so", 40)
        until(lambda: self.device.is_in_contact(since), "its device is in contact", 40)


def test_a_full_disk_of_any_part_costs_no_operation(
    disks: dict[str, Path],
    installation: tuple[ExitStack, Data, Server, Server],
    production: tuple[Data, Server, Visitor],
) -> None:
    data, server, visitor = production
    network = server.address.rpartition(".")[0]
    satellite = Agent(data.folder, "cs-01", f"{network}.31", role=CONTENT_SATELLITE)
    device = Agent(data.folder, "device-01", f"{network}.51")
    satellite.join(server, installation[0])
    device.join(server, installation[0], parent="cs-01")
    checks = Checks(visitor, satellite, device)
    faults: dict[str, Callable[[], None]] = {
        "database": checks.database,
        "broker": checks.broker,
        "ps-01": checks.home,
        "ps-01-ca-vault": checks.ca_vault,
        "agents/cs-01": checks.agent,
    }
    server.shell(REMINT.replace("DEMO-ZONE", "ACME 2").format(seconds=900, extra={}))
    reaches(server, "replicating", "assigned")
    for name, check in faults.items():
        with filled(disks[name]):
            check()
        restart_if_ended(data)
        until(checks.are_well, f"{name}: all parts are well again", 90)
    activate_soon(server)
    ends_well(server)
    assert set(look(server)["assigned"].values()) == {"activated"}


def restart_if_ended(data: Data) -> None:
    """Start PostgreSQL again if it has ended, as its service does."""
    assert data.database is not None
    if data.database.poll() is not None:
        data.restart_database()
