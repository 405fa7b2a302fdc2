"""A server's activation: only with the go, proven, undone if it fails (D-26, S-22, F-22)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.servers import certify, go, served
from tests.zac.support.zone import ADDRESS, Zone
from wire import records
from wire.messages import Trust
from wire.metadata import ACTIVATION_NOTICE, ActivationNotice, ActivationOrder, Rollback
from zac.host.host import Host
from zac.network.calls import NoTrustedServer
from zac.trust import pem, recovery
from zac.updates import activation, refresh, state_machine


def test_an_armed_server_serves_old_and_new_devices(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"
    assert served(satellite, zone.root) == served(satellite, future)


def test_a_server_without_the_go_does_not_swap(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    zone.update(future, activate_at=int(zone.now()) - 5)
    before = served(satellite, zone.root)
    certify(zone, future, satellite)
    refresh.refresh(satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"
    assert served(satellite, zone.root) == before


@pytest.mark.parametrize("stranger", ["foreign key", "older revision", "other zone"])
def test_a_go_that_is_not_for_it_moves_nothing(zone: Zone, satellite: Host, stranger: str) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5, revision=2)
    certify(zone, future, satellite)
    notice = ActivationOrder(update.id, zone.id, 2, update.activate_at)
    if stranger == "older revision":
        notice = records.replace(notice, revision=1)
    if stranger == "other zone":
        notice = records.replace(notice, zone="zone-2")
    key = zone.signer
    if stranger == "foreign key":
        zone.signer = type(key)()
    zone.notify(notice)
    zone.signer = key
    refresh.refresh(satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"


@pytest.mark.manual("R213")
def test_with_the_go_it_swaps_and_proves_what_it_serves(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    certify(zone, future, satellite)
    go(zone, update)
    refresh.refresh(satellite)
    assert zone.words()[-1] == "activated"
    assert served(satellite, future) == served(satellite, zone.root)
    assert pem.fingerprint(satellite.trust_store.current().trust.current) == future.sha256
    assert not Path(satellite.home.path_to("remint-repo", "update-1")).exists()


@pytest.mark.parametrize("version", ["current", "previous"])
def test_it_requests_the_order_when_no_refresh_contained_it(
    zone: Zone, satellite: Host, version: str
) -> None:
    if version == "previous":
        zone.use_previous_paths()
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    certify(zone, future, satellite)
    notice = ActivationOrder(update.id, zone.id, update.revision, update.activate_at)
    zone.orders[update.id] = zone.sign("application/vnd.zcc.go+json", notice)
    refresh.advance_updates(satellite)
    assert satellite.state.load().updates["update-1"].step == "confirmed"


def test_a_swap_that_is_not_served_is_undone(
    zone: Zone, satellite: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    before = served(satellite, zone.root)
    certify(zone, future, satellite)
    go(zone, update)
    monkeypatch.setattr(activation, "VERIFY_SECONDS", 0.0)
    monkeypatch.setattr(activation, "own_url", lambda _host: zone.servers[0].url)
    refresh.refresh(satellite)
    monkeypatch.undo()
    assert zone.words()[-1] == "failed"
    assert served(satellite, zone.root) == before
    assert pem.fingerprint(satellite.trust_store.current().trust.current) == zone.root.sha256
    assert satellite.state.load().updates["update-1"].step == "armed"


@pytest.mark.manual("R213")
def test_it_tries_again_after_a_failed_swap(
    zone: Zone, satellite: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_a_swap_that_is_not_served_is_undone(zone, satellite, monkeypatch)
    zone.shift = 30
    refresh.refresh(satellite)
    refresh.refresh(satellite)
    assert zone.words()[-1] == "activated"
    assert zone.reports[-1][1].attempt == 2


def test_a_rollback_brings_the_old_certificate_back(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    before = served(satellite, zone.root)
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    certify(zone, future, satellite)
    go(zone, update)
    refresh.refresh(satellite)
    assert served(satellite, zone.root) != before
    zone.trust = Trust(zone.root.pem, in_grace=[future.pem])
    zone.notify(Rollback(update.id, zone.id, update.revision))
    refresh.refresh(satellite)
    assert served(satellite, zone.root) == before
    held = satellite.trust_store.current().trust
    assert pem.fingerprint(held.current) == zone.root.sha256
    assert future.sha256 in pem.fingerprints(held.in_grace)


def test_the_activation_thread_needs_no_network(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) + 3600)
    certify(zone, future, satellite)
    go(zone, update, activate_at=int(zone.now()) - 1)
    satellite.activator = lambda: None
    refresh.refresh(satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"
    heard = len(zone.heard)
    thread = threading.Thread(
        target=lambda: state_machine.advance(satellite, "update-1", offline=True)
    )
    thread.start()
    thread.join()
    assert satellite.state.load().updates["update-1"].step == "activated"
    assert len(zone.heard) == heard


def test_a_lost_server_finds_back_and_gets_its_certificate(zone: Zone, satellite: Host) -> None:
    """B-10 for a server: first its trust, then over verified TLS the certificate, then the go."""
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 60)
    notice = ActivationNotice(update.id, zone.id, 1, future.sha256, zone.offer.updates[0])
    zone.recovery = [zone.sign(ACTIVATION_NOTICE, notice)]
    zone.servers[0].show(future.server(ADDRESS))
    with pytest.raises(NoTrustedServer):
        refresh.refresh(satellite)
    recovery.recover(satellite)
    certify(zone, future, satellite)
    assert satellite.state.load().updates[update.id].step == "armed"
    go(zone, update)
    refresh.refresh(satellite)
    assert zone.words()[-1] == "activated"
    assert served(satellite, future)
