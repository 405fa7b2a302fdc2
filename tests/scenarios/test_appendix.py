"""What Appendix A of the manual warns about ends well here, without a visit (D-43).

A.2 and A.10 speak of what is not here; A.6 is tested with the console. A.7, a server that was
reminted while a device was off, is in test_remint_servers; A.8, an expired CA on the CA server, in
test_immediate.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.support.public_ca import PublicCA, written
from zac import VERSION

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long


@pytest.mark.manual("R213", "R215")
def test_killed_activators_missing_content_and_a_device_installed_anew(
    start_zone: StartZone,
) -> None:
    """A.1, A.4: the activation is tried until it is done. A.3: re-imaged in between, it is told."""
    zone = start_zone(devices=3)
    api = zone.program()
    administrator.remint_ca(api, 150)
    zone.reaches("assigned", seconds=90)
    # Nobody has the content any more: the devices fail, say so and try again by themselves.
    set_aside(zone)
    update = api.operation()["update_id"]
    until(
        lambda: api.assignments(update)["device-01"]["state"] == "failed",
        "the device tells that the content is missing",
        90,
    )
    assert "content" in api.assignments(update)["device-01"]["reason"].lower()
    bring_back(zone)
    applied = ("applied", "activated")
    until(lambda: api.assignments(update)["device-01"]["state"] in applied, "it goes on", 90)

    install_anew(zone, "device-02")
    # Its own web process hangs at the moment in which ps-02 has to prove the new certificate.
    zone.reaches("activating", seconds=150)
    zone.stop("ps-02.web")
    end = time.monotonic() + 30
    while time.monotonic() < end and api.operation()["state"] == "activating":
        with suppress(KeyError, ProcessLookupError):
            zone.kill("device-01.agent")
        time.sleep(0.7)
    zone.cont("ps-02.web")

    zone.completes()
    assert zone.refused() == []
    assert len(zone.journal("device-01", "switched")) == 1
    install_anew(zone, "device-03")
    zone.everybody_is_in_contact()
    assert zone.refused() == []


@pytest.mark.manual("R217")
def test_servers_with_chains_of_different_length(start_zone: StartZone, tmp_path: Path) -> None:
    """A.5: the tool works from whatever server, also from one with a shorter chain."""
    zone = start_zone(devices=2, satellites=0)
    api, ca = zone.program(), PublicCA("Deep", depth=2)
    zone.take_down("device-02.agent")
    administrator.change_to_external(api, ca)
    administrator.all_have_a_request(api, zone)
    administrator.answered(zone, api, ca, "ps-01")
    request = api.get(f"/servers/{api.servers()['ps-02']}/csr")
    upper = ca.intermediates[0]
    address = zone.hosts("primary")[1].address
    short = [ca.sign(request, by=upper, addresses=[address]), upper.pem]
    api.imports("ps-02", written(short, "chain", root=ca.root.pem))
    zone.reaches("activated", seconds=150)

    done = administrator.run_tool(
        zone, "device-02", administrator.fetched_tool(zone, tmp_path, "ps-02")
    )
    assert done.returncode == 0, done.stderr
    zone.bring_back("device-02.agent")
    zone.completes()
    zone.everybody_is_in_contact()
    assert zone.refused() == []


@pytest.mark.manual("R224")
def test_a_server_installed_anew_has_its_version_at_once_and_comes_along(
    start_zone: StartZone,
) -> None:
    """A.9: the version is told with the registration, before the agent runs. A.3, of a server."""
    zone = start_zone(devices=2, primaries=1, satellites=1)
    api = zone.program()
    administrator.remint_ca(api, 150)
    zone.reaches("assigned", seconds=90)
    until(lambda: zone.look()["futures"].get("as-01") == "created", "as-01 is certified", 90)

    def installed() -> dict[str, str]:
        """Look at the satellite while its agent has not run yet."""
        assert "as-01.agent" not in zone.pids()
        return dict(api.server("as-01"))

    seen = install_anew(zone, "as-01", look=installed)
    assert seen["version"] == VERSION
    zone.completes()
    zone.everybody_is_in_contact()
    assert zone.refused() == []
    assert api.server("as-01")["version"] == VERSION


def set_aside(zone: RunningZone) -> None:
    """Take the content away from every content server."""
    for folder in zone.home.glob("*/*/content"):
        folder.rename(folder.with_name("content-aside"))


def bring_back(zone: RunningZone) -> None:
    """Put it back."""
    for aside in zone.home.glob("*/*/content-aside"):
        there = aside.with_name("content")
        shutil.rmtree(there, ignore_errors=True)
        aside.rename(there)


def install_anew(
    zone: RunningZone, name: str, look: Callable[[], dict[str, str]] = dict
) -> dict[str, str]:
    """Give a host an empty home, as an image does, register it, look, and let its agent run.

    It is in contact until then, so its administrator releases it first (D-124).
    """
    host = next(host for host in zone.hosts() if host.name == name)
    api = zone.program()
    [device] = api.get(f"/devices?q={name}")["items"]
    api.post(f"/devices/{device['id']}/release")
    zone.take_down(f"{name}.agent")
    shutil.rmtree(host.home)
    zone.register(host)
    seen = look()
    zone.bring_back(f"{name}.agent")
    return seen
