"""A zone comes up, goes down without a trace and goes on where it was (docs/operations.md)."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.harness import evidence
from tests.harness.zone import Zone, until, zone_in

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(600)]


def everybody_refreshed(zone: Zone, since: float) -> bool:
    reached = {one.host for one in zone.contacts() if one.ok and one.t > since}
    return reached >= {host.name for host in zone.hosts()}


@pytest.mark.long
def test_a_zone_comes_up_goes_down_and_goes_on(tmp_path: Path) -> None:
    with zone_in(tmp_path, devices=3) as zone:
        zone.start()
        until(lambda: everybody_refreshed(zone, 0), "every host has refreshed")
        assert [one for one in zone.contacts() if one.refused] == []
        shown = {
            host.name: evidence.served_certificate(host.address, host.port)
            for host in zone.hosts()
            if host.port
        }
        visitor = zone.visitor()
        assert visitor.get("/configuration/certificates/").status == 200
        # Every part comes back by itself.
        for part in ("broker", "beat", "ps-01.worker", "ps-02.web", "device-01.agent"):
            zone.kill_and_wait(part)

        assert zone.interrupt() == 0
        assert zone.survivors() == []
        assert evidence.leaked_secrets(zone.home) == []
        last = zone.contacts()[-1].t

        zone.start()
        until(lambda: everybody_refreshed(zone, last), "every host has refreshed again")
        assert [one for one in zone.contacts() if one.refused] == []
        for host in zone.hosts():
            if host.port:
                again = evidence.served_certificate(host.address, host.port)
                assert ssl.PEM_cert_to_DER_cert(again) == ssl.PEM_cert_to_DER_cert(shown[host.name])
        # The session of before is still good: it is the same zone, and the same key.
        assert visitor.get("/configuration/certificates/").path == "/configuration/certificates/"


def test_nothing_stays_when_the_launcher_is_killed(tmp_path: Path) -> None:
    with zone_in(tmp_path, devices=1, primaries=1, satellites=0) as zone:
        zone.start()
        assert zone.interrupt(9) == -9
        until(lambda: zone.survivors() == [], "all processes have ended")
