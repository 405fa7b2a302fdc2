"""Devices that were away for the whole change come back without a visit (D-28, D-29, B-10, D-40).

One recovers by the cross-certificate while the old root is valid, one by the signed notice after
the old root has expired, and one with the Certificate Remint Tool.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long


@pytest.mark.manual("R043")
def test_by_cross_certificate_by_recovery_and_with_the_tool(
    start_zone: StartZone, tmp_path: Path
) -> None:
    life = partial(administrator.create_zone, life=230)
    zone = start_zone(devices=4, satellites=0, before=life)
    api = zone.program()
    old = api.root()
    cross_certified, recovers, tool = "device-02", "device-03", "device-04"
    for name in (cross_certified, recovers, tool):
        zone.take_down(f"{name}.agent")
    administrator.remint_ca(api)
    zone.reaches("activated", seconds=150)

    zone.bring_back(f"{cross_certified}.agent")
    update = api.operation()["update_id"]
    until(
        lambda: api.assignments(update)[cross_certified]["state"] == "activated",
        "the device recovered by the cross-certificate",
    )
    assert zone.refused() == [], "devices that know only the old root accept the cross-certificate"

    administrator.ca_has_expired(old)
    zone.bring_back(f"{recovers}.agent")
    until(lambda: zone.journal(recovers, "recovered"), "the device recovered by the notice", 90)

    file = administrator.fetched_tool(zone, tmp_path)
    done = administrator.run_tool(zone, tool, file)
    assert done.returncode == 0, done.stderr
    assert "verified TLS" in done.stdout
    assert "already been applied" in administrator.run_tool(zone, tool, file).stdout, (
        "a second run changes nothing"
    )
    zone.bring_back(f"{tool}.agent")

    zone.completes()
    zone.everybody_is_in_contact()
    # Expired is expired: only who knew nothing but the old root was refused, until it recovered.
    assert {contact.host for contact in zone.refused()} == {recovers}
