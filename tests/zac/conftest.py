"""A running zone and a device in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zac.support import zone as zones
from tests.zac.support.servers import free_port
from tests.zac.support.zone import ADDRESS, Zone
from wire import records
from wire.messages import AUTHENTICATION_SATELLITE, ServerAddress
from wire.update_messages import CertificateResponse
from zac.content.content_server import ContentServer
from zac.host import files
from zac.host.clock import Clock
from zac.host.home import Home
from zac.host.host import Host
from zac.host.server_part import PkiServerPart
from zac.registration import registration
from zac.registration.registration import RegistrationOptions
from zac.updates import refresh


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Zone]:
    folder = tmp_path / "zone"
    folder.mkdir()
    with zones.running(folder) as running:
        yield running


@pytest.fixture
def new_host(tmp_path: Path) -> Callable[..., Host]:
    """Return a maker of hosts; `skew` is how many seconds the local clock is off."""

    def make(name: str = "d1", skew: float = 0.0) -> Host:
        home = Home(str(tmp_path / name))
        files.make_folder(home.path)
        real = Clock("").local
        clock = Clock(home.path_to("clock.json"), local=lambda: real() + skew)
        return Host(home, clock=clock, load_server_part=PkiServerPart)

    return make


@pytest.fixture
def device(zone: Zone, new_host: Callable[..., Host]) -> Host:
    """Return a registered managed device."""
    return registered(zone, new_host("d1"))


def registered(zone: Zone, host: Host, **options: Any) -> Host:
    """Register a host with the zone."""
    defaults = RegistrationOptions(url=zone.servers[0].url, key=str(zone.key), name="d1")
    registration.register(host, RegistrationOptions(**{**vars(defaults), **options}))
    return host


@pytest.fixture
def satellite(zone: Zone, new_host: Callable[..., Host]) -> Iterator[Host]:
    """Return an approved Authentication Satellite: initial certificate, open listeners."""
    host = registered(
        zone,
        new_host("sat"),
        name="sat",
        role=AUTHENTICATION_SATELLITE,
        addresses=[ADDRESS],
        port=free_port(),
        preflight_port=free_port(),
    )
    port, preflight_port = host.device.port, host.device.preflight_port
    zone.others.append(
        ServerAddress(
            host.device.id,
            "sat",
            "",
            AUTHENTICATION_SATELLITE,
            url=f"https://{ADDRESS}:{port}",
            preflight_url=f"https://{ADDRESS}:{preflight_port}",
        )
    )
    csr = zone.members[host.device.id].csr
    assert csr
    zone.answers["v1"] = CertificateResponse("created", zone.root.sign_csr(csr, ADDRESS))
    zone.offer = records.replace(zone.offer, certificate_pending=True)
    refresh.refresh(host)
    zone.offer = records.replace(zone.offer, certificate_pending=False)
    listeners = ContentServer(host)
    listeners.update_listeners()
    yield host
    listeners.close()
