"""Certificates that servers have and that the database does not contain (D-165)."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.agents import server_certificates
from certificates.authority import key_store
from certificates.models import Authority, FutureCertificate, IssuedCertificate, ServerCertificate
from devices.models import Device
from devices.registration import registration
from faults import Invalid
from pki import keys
from pki.certificates import ca_certificates, issuance
from pki.names import Names, Subject
from systemupdates.models import Assignment
from tests.pki import factories
from tests.support import walkthrough
from tests.support.public_ca import PublicCA, make_csr, make_key
from wire import messages, update_messages


@pytest.fixture
def server(zone):
    """Return a server with a certificate, which the database has lost, and the chain."""
    host = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
    walkthrough.sign(zone, Authority.objects.current())
    row = FutureCertificate.objects.get(device=host.id)
    host.refresh(server_certificate_sha256=row.digest)
    chain = ServerCertificate.objects.get(device=host.id).chain_pem
    assert "first" not in host.refresh(server_certificate_sha256=row.digest)["send_certificates"]
    ServerCertificate.objects.filter(device=host.id).delete()
    IssuedCertificate.objects.filter(sha256=row.digest).delete()
    FutureCertificate.objects.filter(device=host.id).delete()
    return host, chain, row.digest


def send(host, chain):
    return host.send("POST", "/zac/v1/certificate", update_messages.CsrRequest(chain=chain))


def test_the_certificate_in_use_is_requested_and_stored_with_its_serial_number(server):
    host, chain, digest = server
    said = host.refresh(server_certificate_sha256=digest)
    assert said["send_certificates"] == ["first"]
    assert send(host, chain).status_code == 204
    assert ServerCertificate.objects.current().get(device=host.id).digest == digest
    assert IssuedCertificate.objects.get(sha256=digest).device_id == host.guid
    assert Entry.objects.filter(action="recover-certificate").count() == 1
    assert host.refresh(server_certificate_sha256=digest)["send_certificates"] == []
    assert send(host, chain).status_code == 204, "again without effect"
    assert ServerCertificate.objects.filter(device=host.id).count() == 1


def test_a_certificate_that_no_ca_of_the_zone_issued_is_not_stored(server):
    host, chain, _digest = server
    stranger = PublicCA()
    request = make_csr(make_key(), host.fqdn)
    foreign = stranger.answer(request, "pem", dns=[host.fqdn], addresses=["127.9.0.3"]).decode()
    broken = chain.replace(chain.splitlines()[3], chain.splitlines()[4], 1)
    for wrong in (foreign, foreign + stranger.root.pem, "nonsense", broken, chain + foreign):
        assert send(host, wrong).status_code in (409, 422), wrong
    assert not ServerCertificate.objects.filter(device=host.id).exists()


def test_a_certificate_of_a_ca_that_the_database_has_lost_is_not_stored(server):
    """The cross-certificate of the lost CA makes the chain valid for the CA that issued it."""
    host, _chain, _digest = server
    now, current = timezone.now(), Authority.objects.current()
    key = keys.generate_key(256)
    root = ca_certificates.build_root(
        key_pem=key,
        subject=Subject("A CA that the database has lost"),
        validity=issuance.get_root_validity(now, 10),
        serial=issuance.generate_serial(),
    )
    names = Names(dns=(host.fqdn,), addresses=("127.9.0.3",))
    lost_chain = factories.server(factories.CA(key, root), names=names, now=now)
    cross_certificate = ca_certificates.build_cross_certificate(
        issuer_pem=current.root_pem,
        issuer_key_pem=key_store.get_signing_key(current),
        subject_pem=root,
        serial=issuance.generate_serial(),
        now=now,
    )
    response = send(host, lost_chain + cross_certificate)
    assert response.status_code == 422
    assert "not issued by a CA of this zone" in json.loads(response.content)["detail"]
    assert not ServerCertificate.objects.filter(device=host.id).exists()


def test_a_device_without_certificate_is_asked_for_nothing(zone):
    said = zone.join("pc-01").refresh(server_certificate_sha256="a" * 64)
    assert "send_certificates" not in said


def test_a_managed_device_gets_no_certificate(zone, server):
    """Neither an initial one, nor one of an operation, nor by reporting that of a server."""
    _server, chain, _digest = server
    host = zone.join("pc-01")
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    update = walkthrough.fresh(operation).update_id
    assert Assignment.objects.filter(device=host.id, update=update).exists()
    csr = update_messages.CsrRequest(csr=make_csr(make_key(), "pc-01.test.example"))
    for path in ("certificate", f"updates/{update}/csr"):
        for report in (csr, update_messages.CsrRequest(chain=chain)):
            response = host.send("POST", f"/zac/v1/{path}", report)
            assert response.status_code in (404, 422), (path, response.content)
    walkthrough.sign(zone, Authority.objects.current())
    for kind in (FutureCertificate, ServerCertificate, IssuedCertificate):
        assert not kind.objects.filter(device_id=host.id).exists()


def test_a_server_that_waits_for_approval_stores_nothing(zone, server):
    host, chain, digest = server
    zone.device(host).__class__.objects.filter(pk=host.id).update(state="waiting")
    assert "send_certificates" not in host.refresh(server_certificate_sha256=digest)
    response = send(host, chain)
    assert response.status_code == 403, json.loads(response.content)


def take_chain_of_another_server(zone, host, *, forgets=False):
    """Return the public certificate of a server that is retired afterwards."""
    walkthrough.sign(zone, Authority.objects.current())
    row = FutureCertificate.objects.get(device=host.id)
    host.refresh(server_certificate_sha256=row.digest)
    chain = ServerCertificate.objects.get(device=host.id).chain_pem
    if forgets:
        ServerCertificate.objects.filter(device=host.id).delete()
        IssuedCertificate.objects.filter(sha256=row.digest).delete()
    registration.retire(zone.device(host))
    return chain


@pytest.mark.parametrize("forgets", [False, True])
def test_a_server_cannot_present_the_certificate_of_a_retired_server(zone, server, forgets):
    """Certificates are public. The CA of the zone issued this one, but for other names."""
    host, _chain, _digest = server
    other = zone.join("as-02", messages.AUTHENTICATION_SATELLITE, "127.9.0.4")
    stolen = take_chain_of_another_server(zone, other, forgets=forgets)
    response = send(host, stolen)
    assert response.status_code == 422
    assert "not those of this server" in json.loads(response.content)["detail"]
    assert not ServerCertificate.objects.filter(device=host.id).exists()


def test_a_certificate_with_an_additional_name_is_not_stored(zone, server):
    host, chain, _digest = server
    Device.objects.filter(pk=host.id).update(addresses=["127.9.0.9"])
    assert send(host, chain).status_code == 422
    assert not ServerCertificate.objects.filter(device=host.id).exists()
    Device.objects.filter(pk=host.id).update(addresses=["127.9.0.9", "127.9.0.3"])
    assert send(host, chain).status_code == 204


def test_the_certificate_of_another_server_with_the_same_names_is_not_stored(zone, server):
    host, chain, digest = server
    other = zone.join("as-02", messages.AUTHENTICATION_SATELLITE, "127.9.0.4")
    IssuedCertificate.objects.create(
        authority=Authority.objects.current(),
        serial="ab",
        purpose="server",
        device=zone.device(other),
        sha256=digest,
    )
    response = send(host, chain)
    assert response.status_code == 422
    assert "issued to another server" in json.loads(response.content)["detail"]


def test_a_managed_device_stores_no_server_certificate(zone, server):
    host, chain, _digest = server
    Device.objects.filter(pk=host.id).update(role=messages.MANAGED)
    assert send(host, chain).status_code == 422
    assert not ServerCertificate.objects.filter(device=host.id).exists()


def test_a_new_certificate_of_another_server_is_not_stored(zone, server):
    host, _chain, _digest = server
    other = zone.join("as-02", messages.AUTHENTICATION_SATELLITE, "127.9.0.4")
    stolen = take_chain_of_another_server(zone, other, forgets=True)
    future = FutureCertificate.objects.create(
        device=zone.device(host), authority=Authority.objects.current(), csr_parameters={}
    )
    with pytest.raises(Invalid, match="not those of this server"):
        server_certificates.store_new_certificate(future, stolen, now=timezone.now())
    future.refresh_from_db()
    assert (future.state, future.chain_pem) == ("awaited", "")
