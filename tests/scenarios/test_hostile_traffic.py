"""Hostile connections to a Primary Server neither stop its pages nor cost a device its contact."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.visitor import Visitor
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.zcc.runtime import test_hostile_connections as hostile
from zcc.runtime.layout import Host

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
CONNECTIONS, SECONDS = 200, 60
PAGES = ("/", "/devices/", "/configuration/certificates/")


class Target:
    """A web server of the zone."""

    def __init__(self, address: str, port: int, ca_file: Path) -> None:
        self.address, self.port = address, port
        self.security = self
        self._ca_file = ca_file

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._ca_file))


@contextmanager
def attack(target: Target, source: str) -> Iterator[None]:
    """Hold hostile connections of eight kinds to a server, from one address."""
    stop = threading.Event()
    threads = [
        threading.Thread(
            target=hostile.attack,
            args=(target, hostile.KINDS[n % len(hostile.KINDS)], stop, source),
        )
        for n in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def measure(visitor: Visitor, path: str) -> float:
    """Open a page; return how many seconds it took."""
    begin = time.monotonic()
    assert visitor.get(path).status == 200, path
    return time.monotonic() - begin


def refresh(zone: RunningZone, device: Host) -> float:
    """Run a refresh of an agent; return how many seconds it took."""
    begin = time.monotonic()
    done = zone.zac(device, "refresh")
    assert done.returncode == 0, done.stderr
    return time.monotonic() - begin


def take_over(zone: RunningZone, name: str, server: Host) -> Host:
    """Stop the agent of a device, and let its next refreshes prefer a server; return the device."""
    zone.take_down(f"{name}.agent")
    device = next(host for host in zone.hosts("managed") if host.name == name)
    path = device.home / "device.json"
    url = f"https://{server.address}:{server.port}"
    path.write_text(json.dumps({**json.loads(path.read_text()), "url": url}))
    return device


class Slowest:
    """The slowest page of each path and the slowest refresh, in seconds."""

    def __init__(self, zone: RunningZone, visitor: Visitor, device: Host) -> None:
        self._zone, self._visitor, self._device = zone, visitor, device
        self.seconds: dict[str, float] = {}

    def measure(self) -> None:
        """Open each page and run one refresh."""
        for path in PAGES:
            self._add(path, measure(self._visitor, path))
        self._add("refresh", refresh(self._zone, self._device))

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = max(self.seconds.get(name, 0), seconds)


def test_pages_refreshes_and_an_operation_go_on_during_an_attack(
    start_zone: Callable[..., RunningZone],
) -> None:
    zone = start_zone(devices=4, satellites=1)
    attacked, peer = zone.hosts("primary")
    ca_file = Path(zone.access["ca_file"])
    target = Target(attacked.address, attacked.port, ca_file)
    zone.everybody_is_in_contact()
    slowest = Slowest(zone, zone.visitor(), take_over(zone, "device-01", attacked))
    visitor_of_peer = zone.visitor(f"https://{peer.address}:{peer.port}")
    slowest_of_peer = Slowest(zone, visitor_of_peer, take_over(zone, "device-02", peer))
    begin = time.time()
    with attack(target, f"{zone.plan.base}.250"):
        administrator.remint_ca(zone.program(peer.name), SECONDS + 60)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            slowest.measure()
            slowest_of_peer.measure()
        made = [one for one in zone.contacts() if one.host == "device-01" and one.t > begin]
        refreshed = [one.ok for one in made if one.server == attacked.name]
        for name in ("device-01", "device-02"):
            zone.bring_back(f"{name}.agent")
        zone.everybody_is_in_contact()
    for name, seconds in slowest_of_peer.seconds.items():
        limit = max(hostile.MAX_SECONDS, hostile.MAX_RATIO * seconds)
        assert slowest.seconds[name] < limit, (name, slowest.seconds, slowest_of_peer.seconds)
    assert set(refreshed) == {True}, "no refresh had to use the other server"
    zone.completes()
    assert zone.refused() == []
