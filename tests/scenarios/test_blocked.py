"""A server without its new certificate holds the activation back; three ways out (D-26)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.program import Program, later
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long


def blocked(start_zone: StartZone) -> tuple[RunningZone, Program]:
    """Return a zone that waits for ps-02, which is frozen."""
    zone = start_zone(devices=2, satellites=0)
    api = zone.program()
    zone.stop("ps-02.agent")
    administrator.remint_ca(api, 62)
    zone.reaches("replicating")
    api.act("assign-now")
    seen = zone.reaches("blocked", seconds=90)
    assert seen["reason"] == "1 server does not have a new certificate: ps-02"
    assert api.operation()["lacking"] == ["ps-02"]
    return zone, api


def test_another_activation_time_lets_the_server_come_along(start_zone: StartZone) -> None:
    zone, api = blocked(start_zone)
    operation = api.operation()["id"]
    api.put(f"/operations/{operation}/activation-time", activates_at=later(70))
    zone.cont("ps-02.agent")
    zone.completes()
    assert zone.refused() == []


def test_a_server_that_is_ignored_keeps_its_certificate_and_loses_nobody(
    start_zone: StartZone,
) -> None:
    zone, api = blocked(start_zone)
    update = api.operation()["update_id"]
    old = zone.verify(api.root())["ps-02"]
    api.post(f"/assignments/{api.assignments(update)['ps-02']['id']}/ignore")
    zone.reaches("activated", "completed", seconds=60)
    zone.cont("ps-02.agent")
    seen = zone.reaches("completed", seconds=180)
    assert seen["assigned"]["ps-02"] == "ignored"
    assert zone.verify(seen["old"])["ps-02"] == old
    zone.everybody_is_in_contact()
    assert zone.refused() == []


def test_forced_it_activates_without_the_server_which_follows_later(
    start_zone: StartZone,
) -> None:
    zone, api = blocked(start_zone)
    api.act("force")
    zone.reaches("activated", seconds=90)
    zone.cont("ps-02.agent")
    zone.completes()
    assert zone.refused() == []


def test_servers_wait_devices_use_the_new_root_and_a_cancel_brings_them_back(
    start_zone: StartZone,
) -> None:
    """D-26: no server uses a new certificate, so both roots verify every server all the time."""
    zone, api = blocked(start_zone)
    update = api.operation()["update_id"]
    root, served = api.root(), zone.verify(api.root())
    states = {"device-01": "activated", "device-02": "activated", "ps-01": "applied"}

    def devices_have_switched() -> bool:
        found = api.assignments(update)
        return {name: found[name]["state"] for name in states} == states

    until(devices_have_switched, "devices use the new root at the planned time", 120)
    assert api.operation()["state"] == "blocked"
    assert zone.verify(root) == served, "no server uses its new certificate"
    assert zone.journal("ps-01", "switched") == []
    zone.cont("ps-02.agent")
    zone.everybody_is_in_contact()
    trusted = zone.trusted("device-01")
    api.act("cancel")
    zone.reaches("canceled", seconds=60)
    until(lambda: zone.trusted("device-01") < trusted, "the device forgets the new root", 60)
    zone.everybody_is_in_contact()
    assert zone.verify(root) == served
    assert zone.refused() == []
