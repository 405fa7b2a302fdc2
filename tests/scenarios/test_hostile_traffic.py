"""Hostile connections to a Primary Server neither stop its pages nor cost a device its contact."""

from __future__ import annotations

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


def test_pages_refreshes_and_an_operation_go_on_during_an_attack(
    start_zone: Callable[..., RunningZone],
) -> None:
    zone = start_zone(devices=4, satellites=1)
    attacked, peer = (host for host in zone.hosts("primary"))
    visitor, visitor_of_peer = zone.visitor(), zone.visitor(f"https://{peer.address}:{peer.port}")
    ca_file = Path(zone.access["ca_file"])
    target = Target(attacked.address, attacked.port, ca_file)
    slowest: dict[str, float] = {}
    slowest_of_peer: dict[str, float] = {}
    with attack(target, f"{zone.plan.base}.250"):
        administrator.remint_ca(zone.program(peer.name), SECONDS + 60)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for path in PAGES:
                slowest[path] = max(slowest.get(path, 0), measure(visitor, path))
                seconds = measure(visitor_of_peer, path)
                slowest_of_peer[path] = max(slowest_of_peer.get(path, 0), seconds)
        zone.everybody_is_in_contact()
    for path in PAGES:
        limit = max(hostile.MAX_SECONDS, hostile.MAX_RATIO * slowest_of_peer[path])
        assert slowest[path] < limit, (path, slowest, slowest_of_peer)
    zone.completes()
    assert zone.refused() == []
