"""A server does not get a name that a host has a valid certificate for (D-333)."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from audit.models import RowAltered
from certificates.acme import revoking, signing
from certificates.models import AcmeCertificate, AcmeOrder
from certificates.revocation import host_certificates
from console.pages.formatting import format_fingerprint
from devices.models import Device, Role, Zone
from devices.registration import registration, server_names
from devices.registration.server_names import ServerNames
from faults import Conflict
from pki.names import Names
from tests.devices.registration.test_server_names import SATELLITE, register
from tests.support import hosts
from tests.support.zone import Host
from tests.zcc.rows import sql

NAME, OTHER = "as-07.test.example", "www.test.example"


@pytest.fixture
def certificate(zone: Any) -> AcmeCertificate:
    return hosts.issue("host.test.example", NAME, OTHER)


def check(fqdn: str, *dns_names: str) -> None:
    server_names.check(ServerNames(None, Role.PRIMARY, fqdn, (), dns_names))


def revoke(certificate: AcmeCertificate) -> None:
    revoking.revoke(certificate, "cessation-of-operation", by=None, now=timezone.now())


def test_an_agent_cannot_register_a_server_with_the_name_of_a_host(
    zone: Any, certificate: AcmeCertificate
) -> None:
    host = Host("as-07", SATELLITE, "10.1.1.7")
    assert host.fqdn == NAME
    response = register(zone, host)
    assert response.status_code == 409
    text = response.content.decode()
    assert format_fingerprint(certificate.digest[:16]) in text
    assert "Revoke it first" in text
    assert not Device.objects.filter(name="as-07").exists()
    revoke(certificate)
    assert register(zone, host).status_code == 201


def test_a_waiting_server_is_not_approved_while_a_host_has_its_name(zone: Any) -> None:
    host = Host("as-07", SATELLITE, "10.1.1.7")
    assert register(zone, host, approves=False).status_code == 201
    waiting = Device.objects.get(name="as-07")
    certificate = hosts.issue(NAME)
    with pytest.raises(Conflict, match=rf"{NAME} is in a valid certificate of the host {NAME}"):
        registration.approve(waiting, may_add_names=True)
    assert Device.objects.get(name="as-07").state == "waiting"
    revoke(certificate)
    version = Zone.objects.get_zone().revision
    registration.approve(waiting, may_add_names=True)
    # Devices receive the revocation, because the server has the name from now on.
    assert Zone.objects.get_zone().revision > version


def test_a_server_does_not_get_an_additional_name_of_a_host(
    zone: Any, certificate: AcmeCertificate
) -> None:
    zone.join("as-01", SATELLITE, "10.1.1.1")
    device = Device.objects.get(name="as-01")
    with pytest.raises(Conflict, match=r"account key host\.test\.example"):
        registration.save_dns_names(device, [OTHER], may_add_names=True)
    assert Device.objects.get(name="as-01").dns_names == []
    revoke(certificate)
    registration.save_dns_names(device, [OTHER], may_add_names=True)


def test_an_expired_certificate_and_one_with_other_names_reserve_nothing(
    certificate: AcmeCertificate,
) -> None:
    check("test.example", "est.example", "xhost.test.example", "a.host.test.example")
    with pytest.raises(Conflict):
        check("new.test.example", "HOST.test.example")
    AcmeCertificate.objects.update(not_after=timezone.now())
    check("host.test.example")


def test_a_wildcard_reserves_the_names_of_its_domain(
    certificate: AcmeCertificate, monkeypatch: Any
) -> None:
    sql.change(certificate, names=["*.test.example"])
    held = Names(("*.test.example",), ())
    monkeypatch.setattr(host_certificates, "get_names", lambda _row: held)
    with pytest.raises(Conflict):
        check("any.test.example")
    check("any.below.test.example")


def test_names_are_those_of_the_certificate_and_not_of_its_record(
    certificate: AcmeCertificate,
) -> None:
    sql.change(certificate, names=["free.test.example"])
    check("free.test.example")
    sql.change(certificate, chain_pem=hosts.issue("db.test.example").chain_pem)
    certificate.refresh_from_db()
    with pytest.raises(RowAltered):
        host_certificates.get_names(certificate)


def test_a_server_that_gets_the_name_while_the_ca_signs_has_it(zone: Any, monkeypatch: Any) -> None:
    zone.join("as-01", SATELLITE, "10.1.1.1")
    checked = signing._check

    def approve_server(*arguments: Any) -> Any:
        found = checked(*arguments)
        registration.save_dns_names(Device.objects.get(name="as-01"), [NAME], may_add_names=True)
        return found

    monkeypatch.setattr(signing, "_check", approve_server)
    with pytest.raises(AcmeCertificate.DoesNotExist):
        hosts.issue(NAME)
    problem = AcmeOrder.objects.get().problem
    assert problem["detail"].startswith(f"{NAME} belongs to as-01.")
