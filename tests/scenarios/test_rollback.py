"""Roll back after the activation, in a zone of real processes (beyond the manual: B-5)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.evidence import leaked_secrets
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone, remint

StartZone = Callable[..., RunningZone]

ROLL_BACK = """
from django.db import transaction
from django.utils import timezone
from certificates import tasks
from certificates.models import Operation
from certificates.operations import rollback
with transaction.atomic():
    rollback.roll_back(Operation.objects.first(), now=timezone.now())
tasks.notify_agents()
"""
ROOTS = """
import json
from devices.models import Device
print(json.dumps(dict(Device.objects.registered().values_list("name", "root_sha256"))))
"""


@pytest.mark.long
def test_every_server_and_device_goes_back_and_no_contact_is_lost(start_zone: StartZone) -> None:
    zone = start_zone(devices=3)
    remint(zone)
    seen = zone.reaches("preparing", "replicating", "assigned")
    before = zone.verify(seen["old"])
    roots = json.loads(zone.run(ROOTS).splitlines()[-1])
    seen = zone.reaches("completed", seconds=300)
    assert zone.verify(seen["new"]) != before

    # One device is away while the others go back; it comes home to the old certificates.
    zone.stop("device-03.agent")
    zone.run(ROLL_BACK)
    zone.reaches("rolled-back", seconds=120)
    assert zone.verify(seen["old"]) == before
    zone.cont("device-03.agent")

    def all_back() -> bool:
        found: dict[str, str] = json.loads(zone.run(ROOTS).splitlines()[-1])
        return bool(found == roots)

    until(all_back, "every device uses the old root again", 60)
    assert zone.refused() == []
    assert zone.verify(seen["old"]) == before
    assert leaked_secrets(zone.home) == []

    # The way forward is open again.
    remint(zone)
    again = zone.reaches("completed", seconds=300)
    assert set(again["assigned"].values()) == {"activated"}
    assert zone.refused() == []
