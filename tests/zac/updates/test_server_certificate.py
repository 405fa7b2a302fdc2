"""A server's way to its new certificate (manual, 1.2.4; D-16, D-17, D-26 of docs/decisions.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.zac.conftest import registered
from tests.zac.support import certificates
from tests.zac.support.certificates import Root
from tests.zac.support.servers import CSR_PARAMETERS, certify, go, served
from tests.zac.support.zone import ADDRESS, Zone
from wire import records
from wire.messages import PRIMARY
from wire.metadata import Cancellation
from wire.records import replace
from wire.update_messages import CertificateResponse, CsrParameters
from zac.content.content_server import ContentServer
from zac.host.host import Host
from zac.trust import pem
from zac.updates import refresh, server_certificate, state_machine


def test_a_joining_server_gets_its_first_certificate(zone: Zone, satellite: Host) -> None:
    assert served(satellite, zone.root) == pem.fingerprint(satellite.trust_store.current().server)


def test_the_key_of_a_request_never_leaves_the_server(zone: Zone, satellite: Host) -> None:
    zone.update(Root("Zone CA 2"))
    zone.answers["update-1"] = CertificateResponse(
        "ordered", csr_parameters=CSR_PARAMETERS, generation=1
    )
    refresh.refresh(satellite)
    csr = x509.load_pem_x509_csr(zone.requests[-1][1].csr.encode())
    assert csr.is_signature_valid
    assert all(b"PRIVATE KEY" not in body for _, _, _, body in zone.heard)


def test_it_sends_one_request_per_generation(zone: Zone, satellite: Host) -> None:
    zone.update(Root("Zone CA 2"))
    zone.answers["update-1"] = CertificateResponse(
        "ordered", csr_parameters=CSR_PARAMETERS, generation=1
    )
    refresh.refresh(satellite)
    refresh.refresh(satellite)
    assert len(zone.requests) == 1
    zone.answers["update-1"] = CertificateResponse(
        "ordered", csr_parameters=CSR_PARAMETERS, generation=2
    )
    refresh.refresh(satellite)
    assert [request.generation for _, request in zone.requests] == [1, 2]


def test_a_new_csr_is_sent_although_the_server_has_its_certificate(
    zone: Zone, satellite: Host
) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite)
    before = pem.fingerprint(zone.answers["update-1"].chain)
    assert state_of(satellite) == "armed"
    requested = CertificateResponse("awaited", csr_parameters=CSR_PARAMETERS, generation=2)
    zone.answers["update-1"] = requested
    refresh.refresh(satellite)
    assert state_of(satellite) == "armed", "the refresh did not ask for it"

    zone.offer = replace(zone.offer, new_csrs=["update-1", "unknown"])
    refresh.refresh(satellite)
    sent = zone.requests[-1][1]
    assert (sent.generation, state_of(satellite)) == (2, "certificate")
    chain = future.sign_csr(sent.csr, ADDRESS) + zone.root.bridge(future)
    zone.offer = replace(zone.offer, new_csrs=[])
    zone.answers["update-1"] = CertificateResponse("created", chain, generation=2)
    refresh.refresh(satellite)
    assert state_of(satellite) == "armed"
    assert pem.fingerprint(server_certificate.read_new_certificate(satellite, "update-1")) not in (
        "",
        before,
    )


def test_an_ordered_activation_is_not_stopped_by_a_new_csr(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future)
    certify(zone, future, satellite)
    go(zone, update, update.activate_at + 3600)
    refresh.refresh(satellite)
    zone.offer = replace(zone.offer, new_csrs=["update-1"])
    refresh.refresh(satellite)
    assert state_of(satellite) == "armed"


def state_of(host: Host) -> str:
    record = host.state.get("update-1")
    return record.step if record else ""


def test_a_certificate_for_another_name_fails_the_self_test(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite, "127.0.0.99")
    assert zone.words()[-1] == "failed"
    assert "127.0.0.1" in zone.reports[-1][1].detail
    assert satellite.state.load().updates["update-1"].step == "certificate"


def test_a_cancel_removes_future_key_and_bridge(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future)
    bare = satellite.trust_store.current().server
    certify(zone, future, satellite)
    zone.offer = records.replace(zone.offer, updates=[])
    zone.notify(Cancellation(update.id, zone.id, update.revision))
    refresh.refresh(satellite)
    assert satellite.trust_store.current().server == bare
    assert not Path(satellite.home.path_to("remint-repo", "update-1")).exists()
    assert zone.words()[-1] == "canceled"


@pytest.mark.manual("R082", "R195")
def test_a_certificate_in_the_remint_repository_is_handed_in(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, manual_csr=True, activate_at=int(zone.now()) - 5)
    refresh.refresh(satellite)
    made = future.server(ADDRESS)
    key = load_pem_private_key(made.encode(), None)
    repository = Path(satellite.home.path_to("remint-repo"))
    (repository / "key.der").write_bytes(
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )
    (repository / "server.pem").write_text(pem.split(made)[0] + future.pem)
    zone.answers[update.id] = CertificateResponse("awaited")
    refresh.refresh(satellite)
    handed = zone.requests[-1][1].chain
    assert pem.fingerprint(handed) == pem.fingerprint(made)
    zone.answers[update.id] = CertificateResponse("uploaded", handed)
    go(zone, update)
    refresh.refresh(satellite)
    assert served(satellite, future) == pem.fingerprint(made)
    assert sorted(path.name for path in repository.iterdir()) == []


@pytest.mark.parametrize("version", ["current", "previous"])
def test_a_device_runs_preflight_checks_with_the_new_certificate(
    zone: Zone, satellite: Host, device: Host, version: str
) -> None:
    if version == "previous":
        zone.use_previous_paths()
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite)
    listeners = ContentServer(satellite)
    listeners.update_listeners()
    try:
        refresh.refresh(device)
    finally:
        listeners.close()
    assert [one.code for one in zone.preflight_reports[-1].results] == ["ok"]
    stacks = {one.stack: one.code for one in zone.preflight_reports[-1].stacks}
    assert stacks["openssl"] == stacks["curl"] == "ok"
    assert device.state.load().updates["update-1"].has_checked_stacks


def test_a_preflight_check_without_a_response_blocks_nothing(
    zone: Zone, satellite: Host, device: Host
) -> None:
    zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    assert [one.code for one in zone.preflight_reports[-1].results] == ["unreachable"]
    assert device.state.load().updates["update-1"].step == "armed"


def test_a_primary_server_keeps_its_vault_keys(zone: Zone, new_host: Callable[..., Host]) -> None:
    host = new_host("p2")
    registered(zone, host, name="p2", role=PRIMARY, addresses=[ADDRESS])
    first = zone.registers[-1].vault_keys
    registered(zone, host, name="p2", role=PRIMARY, addresses=[ADDRESS])
    assert first is not None
    assert zone.registers[-1].vault_keys == first
    assert Path(host.home.path_to("vault", "vault.key")).stat().st_mode & 0o777 == 0o600
    assert certificates.now() > 0


FORGED = CsrParameters(
    common_name="elsewhere.test",
    key_length=4096,
    organization="Nobody",
    dns_names=["elsewhere.test"],
    addresses=["192.0.2.1"],
)


@pytest.fixture
def immediate(zone: Zone, satellite: Host) -> Root:
    """Start an immediate update whose certificate the satellite does not have yet."""
    future = Root("Zone CA 2")
    zone.update(future, immediate=True, activate_at=0)
    refresh.refresh(satellite)
    # The certificate of the server has expired or is not its own: TLS can no longer be verified.
    zone.servers[0].show(Root("Somebody").server(ADDRESS))
    return future


def answer(zone: Zone, host: Host, response: CertificateResponse) -> None:
    zone.answers["update-1"] = response
    state_machine.retry(host, "update-1")
    state_machine.advance_all(host)


def test_a_forged_csr_request_changes_neither_the_requests_nor_the_names_that_are_tested(
    zone: Zone, satellite: Host, immediate: Root
) -> None:
    forged = CertificateResponse("awaited", csr_parameters=FORGED, generation=1_000_000_000)
    zone.signs_responses = False
    answer(zone, satellite, forged)
    record = satellite.state.load().updates["update-1"]
    assert (record.csr_generation, record.csr_parameters) == (-1, None)
    csr = x509.load_pem_x509_csr(zone.requests[-1][1].csr.encode())
    assert "elsewhere.test" not in csr.subject.rfc4514_string()
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [ADDRESS]
    zone.signs_responses = True
    honest = CertificateResponse("awaited", csr_parameters=CSR_PARAMETERS, generation=0)
    answer(zone, satellite, honest)
    request = zone.requests[-1][1]
    assert request.generation == 0
    chain = immediate.sign_csr(request.csr, ADDRESS)
    answer(zone, satellite, CertificateResponse("created", chain))
    assert satellite.state.load().updates["update-1"].step not in ("certificate", "staged")


def test_the_key_is_not_replaced_after_a_response_without_a_valid_mac(
    zone: Zone, satellite: Host, immediate: Root
) -> None:
    honest = CertificateResponse("awaited", csr_parameters=CSR_PARAMETERS, generation=0)
    answer(zone, satellite, honest)
    chain = immediate.sign_csr(zone.requests[-1][1].csr, ADDRESS)
    zone.signs_responses = False
    answer(zone, satellite, replace(honest, csr_parameters=FORGED, generation=7))
    assert zone.requests[-1][1].csr == zone.requests[0][1].csr
    answer(zone, satellite, CertificateResponse("created", chain))
    assert satellite.state.load().updates["update-1"].step not in ("certificate", "staged")


def test_a_verified_request_is_answered_whatever_a_forged_one_left_behind(
    zone: Zone, satellite: Host
) -> None:
    zone.update(Root("Zone CA 2"))
    refresh.refresh(satellite)
    satellite.state.edit("update-1", lambda record: replace(record, csr_generation=1_000_000_000))
    answer(zone, satellite, CertificateResponse("awaited", "", CSR_PARAMETERS, generation=2))
    assert [request.generation for _, request in zone.requests] == [2]
    assert satellite.state.load().updates["update-1"].csr_generation == 2


@pytest.mark.manual("R084", "R085")
def test_the_new_certificate_is_staged_under_the_names_of_the_manual(
    zone: Zone, satellite: Host
) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite)
    folder = Path(satellite.home.path_to("remint-repo", "update-1"))
    assert (folder / "ca.cert").read_text() == future.pem
    chain = zone.answers["update-1"].chain
    assert pem.fingerprint((folder / "server.cer").read_text()) == pem.fingerprint(chain)
