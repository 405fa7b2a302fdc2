"""What all lean on is away over the activation: the broker, the way to a server (F-12, F-24)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.harness.program import later
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_faults import once_only

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long
# Longer than any step of an operation waits before it is tried again.
AWAY_SECONDS = 60


@pytest.mark.parametrize("stage", ["preparing", "assigned"])
def test_a_broker_that_is_away_over_the_activation_costs_nobody_contact(
    start_zone: StartZone, stage: str
) -> None:
    """It is gone before the first step, or before the last server asked, until after the time.

    If all servers had their certificates by then, they would activate when it is back. So one of
    them does not ask before.
    """
    zone = start_zone(devices=2, satellites=1)
    api = zone.program()
    if stage == "preparing":
        zone.take_down("broker")
    else:
        zone.stop("as-01.agent")
    administrator.remint_ca(api, 90)
    if stage == "assigned":
        zone.reaches("assigned")
        zone.take_down("broker")
        zone.cont("as-01.agent")
    time.sleep(90 + AWAY_SECONDS)
    assert zone.look()["state"] == stage, "no server switches without the activation order"
    zone.everybody_is_in_contact()
    zone.bring_back("broker")

    def only_the_time_is_left() -> bool:
        return str(zone.look()["reason"]).startswith("All servers now have their new certificates")

    until(only_the_time_is_left, "the servers get their certificates", 120)
    zone.everybody_is_in_contact()
    api.put(f"/operations/{api.operation()['id']}/activation-time", activates_at=later(90))
    zone.completes()
    assert zone.refused() == []


@contextmanager
def unreachable(address: str) -> Iterator[None]:
    """Let nobody reach an address, as a network would that is cut; only root may do that."""
    if os.geteuid() != 0:
        pytest.skip("A cut network needs a route: run this as root. NOT TESTED: F-24.")
    route = ["unreachable", f"{address}/32", "table", "local"]
    subprocess.run(["ip", "route", "add", *route], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "route", "del", *route], check=True)


def test_a_server_that_nobody_reaches_over_the_activation_follows_when_the_network_is_back(
    start_zone: StartZone,
) -> None:
    zone = start_zone(devices=3)
    address = next(host.address for host in zone.hosts("primary") if host.name == "ps-02")
    administrator.remint_ca(zone.program(), 90)
    zone.reaches("assigned")
    with unreachable(address):
        seen = zone.reaches("activated", seconds=240)
        assert seen["assigned"]["ps-02"] != "activated", "it cannot prove what it serves"
        zone.everybody_is_in_contact()
    once_only(zone)
    zone.everybody_is_in_contact()
