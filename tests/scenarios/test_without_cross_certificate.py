"""The old certificate server is lost before it signed the cross-certificate.

Devices that applied the update in time keep contact. Devices that were offline are rejected, and
recover with the signed notice (docs/operations.md).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long
# The worker of ps-01 encrypts the keys for ps-02.
COUNT_KEYS = """
from devices.models import ZoneKey
print(ZoneKey.objects.filter(server__name="ps-02").count())
"""


def test_who_applied_it_loses_no_contact_and_who_was_away_recovers(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=2, satellites=1)
    until(lambda: zone.run(COUNT_KEYS).split()[-1] == "3", "ps-02 has the zone keys", 60)
    zone.take_down("ps-01.worker")
    zone.take_down("device-02.agent")
    api = zone.program("ps-02")
    administrator.change_to_internal(api, "ps-02", 110)
    until(lambda: api.operation()["future_authority_id"], "the new CA is made", 60)
    assert api.operation()["state"] == "preparing", (
        "the old key has not signed the cross-certificate"
    )
    api.act("continue-without-cross-certificate")
    seen = zone.reaches("activated", seconds=240)
    assert zone.refused() == [], "devices that trust both roots need no cross-certificate"
    assert api.holder() == "ps-02"

    zone.bring_back("device-02.agent")
    until(lambda: zone.journal("device-02", "recovered"), "the device has recovered", 120)
    zone.bring_back("ps-01.worker")
    zone.completes()
    zone.everybody_is_in_contact()
    assert {contact.host for contact in zone.refused()} == {"device-02"}
    assert len(zone.verify(seen["new"])) == len(administrator.certified(zone))
