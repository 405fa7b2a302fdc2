"""A server's way to its new certificate (manual, 1.2.4; D-16, D-17, D-26 of docs/decisions.md)."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.zac import authority
from tests.zac.authority import Root
from tests.zac.conftest import registered
from tests.zac.zone import ADDRESS, Zone
from wire.manifest import Cancel, Go, Manifest, Rollback
from wire.messages import (
    AUTHENTICATION_SATELLITE,
    PRIMARY,
    CertificateAnswer,
    CsrOrder,
    ServerAddress,
)
from zac import activating, machine, pem, refreshing
from zac.host import Host
from zac.listeners import Listeners

ORDER = CsrOrder(common_name="sat.zone1.test", key_length=256, addresses=[ADDRESS])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def satellite(zone: Zone, new_host: Callable[..., Host]) -> Iterator[Host]:
    """Return an approved Authentication Satellite with its first certificate, listening."""
    host = registered(
        zone,
        new_host("sat"),
        name="sat",
        role=AUTHENTICATION_SATELLITE,
        addresses=[ADDRESS],
        port=free_port(),
        rehearsal_port=free_port(),
    )
    port, rehearsal = host.device.port, host.device.rehearsal_port
    zone.others.append(
        ServerAddress(
            host.device.id,
            "sat",
            "",
            AUTHENTICATION_SATELLITE,
            url=f"https://{ADDRESS}:{port}",
            rehearsal_url=f"https://{ADDRESS}:{rehearsal}",
        )
    )
    csr = zone.members[host.device.id].csr
    assert csr
    zone.answers["v1"] = CertificateAnswer("created", zone.root.sign_csr(csr, ADDRESS))
    zone.offer = dataclasses.replace(zone.offer, certificate=True)
    refreshing.refresh(host)
    zone.offer = dataclasses.replace(zone.offer, certificate=False)
    listeners = Listeners(host)
    listeners.sync()
    yield host
    listeners.close()


def certify(zone: Zone, future: Root, host: Host, *names: str) -> None:
    """Order a request, sign it with the future root, let the server collect it."""
    zone.answers["update-1"] = CertificateAnswer("ordered", order=ORDER, generation=1)
    refreshing.refresh(host)
    csr = zone.requests[-1][1].csr
    chain = future.sign_csr(csr, *(names or (ADDRESS,))) + zone.root.bridge(future)
    zone.answers["update-1"] = CertificateAnswer("created", chain, generation=1)
    refreshing.refresh(host)


def served(host: Host, *roots: Root) -> str:
    """Return the fingerprint of the certificate that the satellite shows."""
    with host.transport.verified(activating.own_url(host), [root.pem for root in roots]) as line:
        return line.peer.certificate_sha256


def go(zone: Zone, update: Manifest, activate_at: int | None = None) -> None:
    when = update.activate_at if activate_at is None else activate_at
    zone.notify(Go(update.id, zone.id, update.revision, when))


def test_a_joining_server_gets_its_first_certificate(zone: Zone, satellite: Host) -> None:
    assert served(satellite, zone.root) == pem.fingerprint(satellite.security.current().server)


def test_the_key_of_a_request_never_leaves_the_server(zone: Zone, satellite: Host) -> None:
    zone.update(Root("Zone CA 2"))
    zone.answers["update-1"] = CertificateAnswer("ordered", order=ORDER, generation=1)
    refreshing.refresh(satellite)
    csr = x509.load_pem_x509_csr(zone.requests[-1][1].csr.encode())
    assert csr.is_signature_valid
    assert all(b"PRIVATE KEY" not in body for _, _, _, body in zone.heard)


def test_it_sends_one_request_per_generation(zone: Zone, satellite: Host) -> None:
    zone.update(Root("Zone CA 2"))
    zone.answers["update-1"] = CertificateAnswer("ordered", order=ORDER, generation=1)
    refreshing.refresh(satellite)
    refreshing.refresh(satellite)
    assert len(zone.requests) == 1
    zone.answers["update-1"] = CertificateAnswer("ordered", order=ORDER, generation=2)
    refreshing.refresh(satellite)
    assert [request.generation for _, request in zone.requests] == [1, 2]


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
    refreshing.refresh(satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"
    assert served(satellite, zone.root) == before


@pytest.mark.parametrize("stranger", ["foreign key", "older revision", "other zone"])
def test_a_go_that_is_not_for_it_moves_nothing(zone: Zone, satellite: Host, stranger: str) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5, revision=2)
    certify(zone, future, satellite)
    notice = Go(update.id, zone.id, 2, update.activate_at)
    if stranger == "older revision":
        notice = dataclasses.replace(notice, revision=1)
    if stranger == "other zone":
        notice = dataclasses.replace(notice, zone="zone-2")
    key = zone.signer
    if stranger == "foreign key":
        zone.signer = type(key)()
    zone.notify(notice)
    zone.signer = key
    refreshing.refresh(satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"


def test_with_the_go_it_swaps_and_proves_what_it_serves(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    certify(zone, future, satellite)
    go(zone, update)
    refreshing.refresh(satellite)
    assert zone.words()[-1] == "activated"
    assert served(satellite, future) == served(satellite, zone.root)
    assert pem.fingerprint(satellite.security.current().trust.current) == future.sha256
    assert not Path(satellite.home.at("remint-repo", "update-1")).exists()


def test_it_asks_for_the_go_when_no_refresh_brought_it(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    certify(zone, future, satellite)
    notice = Go(update.id, zone.id, update.revision, update.activate_at)
    zone.go[update.id] = zone.sign("application/vnd.zcc.go+json", notice)
    refreshing.bring_forward(satellite)
    assert satellite.state.load().updates["update-1"].step == "confirmed"


def test_a_certificate_for_another_name_fails_the_self_test(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite, "127.0.0.99")
    assert zone.words()[-1] == "failed"
    assert "127.0.0.1" in zone.reports[-1][1].detail
    assert satellite.state.load().updates["update-1"].step == "certificate"


def test_a_swap_that_is_not_served_is_undone(
    zone: Zone, satellite: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    before = served(satellite, zone.root)
    certify(zone, future, satellite)
    go(zone, update)
    monkeypatch.setattr(activating, "PROOF_SECONDS", 0.0)
    monkeypatch.setattr(activating, "own_url", lambda _host: zone.servers[0].url)
    refreshing.refresh(satellite)
    monkeypatch.undo()
    assert zone.words()[-1] == "failed"
    assert served(satellite, zone.root) == before
    assert pem.fingerprint(satellite.security.current().trust.current) == zone.root.sha256
    assert satellite.state.load().updates["update-1"].step == "armed"


def test_it_tries_again_after_a_failed_swap(
    zone: Zone, satellite: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_a_swap_that_is_not_served_is_undone(zone, satellite, monkeypatch)
    zone.shift = 30
    refreshing.refresh(satellite)
    refreshing.refresh(satellite)
    assert zone.words()[-1] == "activated"
    assert zone.reports[-1][1].attempt == 2


def test_a_cancel_removes_future_key_and_bridge(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future)
    bare = satellite.security.current().server
    certify(zone, future, satellite)
    zone.offer = dataclasses.replace(zone.offer, updates=[])
    zone.notify(Cancel(update.id, zone.id, update.revision))
    refreshing.refresh(satellite)
    assert satellite.security.current().server == bare
    assert not Path(satellite.home.at("remint-repo", "update-1")).exists()
    assert zone.words()[-1] == "canceled"


def test_a_rollback_brings_the_old_certificate_back(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    before = served(satellite, zone.root)
    update = zone.update(future, activate_at=int(zone.now()) - 5)
    certify(zone, future, satellite)
    go(zone, update)
    refreshing.refresh(satellite)
    assert served(satellite, zone.root) != before
    zone.notify(Rollback(update.id, zone.id, update.revision))
    refreshing.refresh(satellite)
    assert served(satellite, zone.root) == before
    held = satellite.security.current().trust
    assert pem.fingerprint(held.current) == zone.root.sha256
    assert future.sha256 in pem.fingerprints(held.in_grace)


def test_a_certificate_in_the_remint_repository_is_handed_in(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, manual_csr=True, activate_at=int(zone.now()) - 5)
    refreshing.refresh(satellite)
    made = future.server(ADDRESS)
    key = load_pem_private_key(made.encode(), None)
    repository = Path(satellite.home.at("remint-repo"))
    (repository / "key.der").write_bytes(
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )
    (repository / "server.pem").write_text(pem.split(made)[0] + future.pem)
    zone.answers[update.id] = CertificateAnswer("awaited")
    refreshing.refresh(satellite)
    handed = zone.requests[-1][1].chain
    assert pem.fingerprint(handed) == pem.fingerprint(made)
    zone.answers[update.id] = CertificateAnswer("uploaded", handed)
    go(zone, update)
    refreshing.refresh(satellite)
    assert served(satellite, future) == pem.fingerprint(made)
    assert sorted(path.name for path in repository.iterdir()) == []


def test_a_device_rehearses_with_the_future_certificate(
    zone: Zone, satellite: Host, device: Host
) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite)
    listeners = Listeners(satellite)
    listeners.sync()
    try:
        refreshing.refresh(device)
    finally:
        listeners.close()
    assert [one.code for one in zone.rehearsals[-1].results] == ["ok"]


def test_a_rehearsal_that_finds_nobody_blocks_nothing(
    zone: Zone, satellite: Host, device: Host
) -> None:
    zone.update(Root("Zone CA 2"))
    refreshing.refresh(device)
    assert [one.code for one in zone.rehearsals[-1].results] == ["unreachable"]
    assert device.state.load().updates["update-1"].step == "armed"


def test_the_activation_thread_needs_no_network(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) + 3600)
    certify(zone, future, satellite)
    go(zone, update, activate_at=int(zone.now()) - 1)
    satellite.activator = lambda: None
    refreshing.refresh(satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"
    heard = len(zone.heard)
    thread = threading.Thread(target=lambda: machine.advance(satellite, "update-1", offline=True))
    thread.start()
    thread.join()
    assert satellite.state.load().updates["update-1"].step == "activated"
    assert len(zone.heard) == heard


def test_a_primary_server_keeps_its_vault_keys(zone: Zone, new_host: Callable[..., Host]) -> None:
    host = new_host("p2")
    registered(zone, host, name="p2", role=PRIMARY, addresses=[ADDRESS])
    first = zone.registers[-1].vault_keys
    registered(zone, host, name="p2", role=PRIMARY, addresses=[ADDRESS])
    assert first is not None
    assert zone.registers[-1].vault_keys == first
    assert Path(host.home.at("vault", "vault.key")).stat().st_mode & 0o777 == 0o600
    assert authority.now() > 0
