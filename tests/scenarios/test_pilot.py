"""A pilot group receives a new CA first, and a failure in it keeps the others from receiving it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.harness.program import Program
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long
REST = ("device-02", "device-03")


def with_pilot(zone: RunningZone, **changes: Any) -> Program:
    """Make device-01 the pilot group."""
    api = zone.program()
    api.put("/pilot-group", on=True, devices=["device-01"], **changes)
    return api


def states(api: Program, *names: str) -> set[str]:
    found = api.assignments(api.operation()["update_id"])
    return {found[name]["state"] for name in names}


@contextmanager
def impostor(address: str, port: int, folder: Path) -> Iterator[None]:
    """Respond at an address with a certificate that no device trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = folder / "impostor.pem"
    certificate = trustme.CA().issue_cert(address)
    path.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
    context.load_cert_chain(path)
    with socket.create_server((address, port)) as listener:

        def respond() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                connection.settimeout(5)
                with suppress(OSError), connection:
                    context.wrap_socket(connection, server_side=True).close()

        threading.Thread(target=respond, daemon=True).start()
        yield
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def test_the_others_follow_when_the_pilot_has_passed(start_zone: StartZone) -> None:
    zone = start_zone(devices=3, satellites=1)
    api = with_pilot(zone)
    zone.stop("device-01.agent")
    administrator.remint_ca(api, 100)
    until(lambda: api.operation()["pilot"], "the update is assigned to the pilot", 60)
    servers = [host.name for host in zone.hosts("primary")]
    until(lambda: states(api, *servers) == {"applied"}, "the servers have the update", 60)
    assert states(api, *REST) == {"pending"}
    assert all(len(zone.trusted(name)) == 1 for name in REST), "they do not know the new root"
    zone.cont("device-01.agent")
    until(lambda: not api.operation()["pilot"], "the pilot has passed", 90)
    zone.completes()
    entries = api.get("/audit-entries?limit=200")["items"]
    assert "pilot-passed" in {entry["action"] for entry in entries}
    assert zone.refused() == []


def test_a_failed_preflight_check_pauses_until_an_administrator_continues(
    start_zone: StartZone, tmp_path: Path
) -> None:
    zone = start_zone(devices=3, satellites=1)
    api = with_pilot(zone)
    satellite = zone.hosts("authentication-satellite")[0]
    agent = f"{satellite.name}.agent"
    zone.stop("device-01.agent")
    administrator.remint_ca(api, 100)
    until(lambda: api.operation()["pilot"], "the update is assigned to the pilot", 60)
    until(lambda: states(api, satellite.name) == {"applied"}, "the satellite has the update", 90)
    zone.take_down(agent)
    with impostor(satellite.address, satellite.preflight_port, tmp_path):
        zone.cont("device-01.agent")
        seen = zone.reaches("blocked", seconds=120)
        assert "1 device of the pilot group failed: device-01" in seen["reason"]
        assert api.operation()["pilot"]["failed_devices"] == ["device-01"]
        assert states(api, *REST) == {"pending"}
        assert all(len(zone.trusted(name)) == 1 for name in REST)
        api.act("continue-after-pilot")
        until(lambda: states(api, *REST) == {"applied"}, "the others receive the update", 90)
    zone.bring_back(agent)
    zone.completes()
    zone.everybody_is_in_contact()
