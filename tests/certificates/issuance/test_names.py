"""No certificate names another server, and none is issued to a server that nobody approved."""

from __future__ import annotations

import html

import pytest
from django.test import Client
from django.utils import timezone

from certificates.issuance import renewal, signing
from certificates.issuance import requests as certificate_requests
from certificates.issuance.names import (
    check_names,
    list_servers_with_name_faults,
    select_with_names,
)
from certificates.models import Authority, FutureCertificate
from certificates.operations.states import FutureState
from certificates.servers import rows
from devices.models import Device
from devices.registration import changes, registration
from faults import Fault
from pki.certificates.details import get_details
from tests.devices.registration.test_decisions import CHANGES, return_as, satellite
from tests.devices.registration.test_server_names import register
from tests.support import factories
from tests.support.zone import Host
from wire import messages

SATELLITE = messages.AUTHENTICATION_SATELLITE


def sign() -> FutureCertificate:
    """Sign what is pending and return the newest certificate."""
    signing.sign_batch(Authority.objects.current(), now=timezone.now())
    return FutureCertificate.objects.latest("pk")


def test_a_server_that_waits_for_approval_gets_no_certificate(zone):
    register(zone, Host("as-01", SATELLITE, "10.1.1.1"), approves=False)
    assert not signing.has_pending_csrs(Authority.objects.current())
    assert sign().state == FutureState.AWAITED
    registration.approve(Device.objects.get(name="as-01"), may_add_names=True)
    assert signing.has_pending_csrs(Authority.objects.current())
    assert sign().state == FutureState.CREATED


def test_a_server_with_a_name_that_is_too_long_for_a_subject_gets_a_certificate(zone):
    host = zone.join("a-server-with-a-very-long-name-" + "x" * 30, SATELLITE, "10.1.1.1")
    assert len(host.fqdn) > 64
    signed = sign()
    assert signed.state == FutureState.CREATED
    facts = get_details(signed.chain_pem)
    assert facts.common_name == "10.1.1.1"
    assert facts.dns_names == (host.fqdn,)
    assert facts.addresses == ("10.1.1.1",)


def test_a_server_that_was_unregistered_gets_no_certificate(zone):
    zone.join("as-01", SATELLITE, "10.1.1.1")
    registration.unregister(Device.objects.get(name="as-01"))
    assert sign().state == FutureState.AWAITED


@pytest.mark.parametrize(
    "taken", [{"fqdn": "ps-01.test.example"}, {"addresses": ["127.9.0.1"]}, {"dns_names": ["com"]}]
)
def test_names_are_checked_again_when_the_certificate_is_signed(zone, taken):
    """The record and the CSR were changed after all other checks."""
    zone.join("as-01", SATELLITE, "10.1.1.1")
    Device.objects.filter(name="as-01").update(**taken)
    future = FutureCertificate.objects.get(device__name="as-01")
    rogue = {
        "common_name": taken.get("fqdn", "as-01.test.example"),
        "dns_names": [taken.get("fqdn", "as-01.test.example"), *taken.get("dns_names", [])],
        "addresses": taken.get("addresses", []),
    }
    FutureCertificate.objects.filter(pk=future.pk).update(
        csr_parameters={**future.csr_parameters, **rogue}
    )
    signed = sign()
    assert signed.state == FutureState.CREATE_FAILED
    assert signed.chain_pem == ""
    assert signed.reason.endswith("Nothing was changed.") or "domain name" in signed.reason


def test_an_operation_is_not_started_with_the_name_of_another_server(zone):
    zone.join("as-01", SATELLITE, "10.1.1.1")
    Device.objects.filter(name="as-01").update(dns_names=["ps-01.test.example"])
    servers = list(Device.objects.certified())
    with pytest.raises(Fault, match=r"issued to as-01: ps-01.test.example belongs to ps-01"):
        check_names([one for one in servers if one.name == "as-01"], include_dns=True)
    check_names([one for one in servers if one.name == "as-01"], include_dns=False)
    assert [one.name for one in select_with_names(servers)] == ["ps-01"]
    assert renewal.list_due_servers(timezone.now()) == []


def test_a_server_with_a_recorded_single_label_name_is_reported(zone):
    """A previous release accepted such names. The server is not renewed until it is corrected."""
    zone.join("as-01", SATELLITE, "10.1.1.1")
    Device.objects.filter(name="as-01").update(dns_names=["intranet"])
    now = timezone.now()
    device = Device.objects.get(name="as-01")
    reason = '"intranet" is not a fully qualified domain name.'
    assert list_servers_with_name_faults(now) == [(device, reason)]
    assert rows.get_rows([device.pk], [], now)[0].name_fault == reason
    client = Client()
    client.force_login(factories.admin())
    settings = f"/devices/{device.pk}/settings/"
    home = html.unescape(client.get("/", secure=True).content.decode())
    assert f'<a href="{settings}">as-01 cannot be renewed: {reason} Correct the names' in home
    page = client.get("/configuration/certificates/", secure=True).content.decode()
    assert f'Cannot be renewed. <a href="{settings}">Correct the DNS names</a>' in page


def test_servers_with_valid_names_are_not_reported(zone):
    zone.join("as-01", SATELLITE, "10.1.1.1")
    Device.objects.filter(name="as-01").update(dns_names=["other.test.example"])
    assert list_servers_with_name_faults(timezone.now()) == []


def test_no_name_is_signed_that_is_not_in_the_record(zone):
    """The CSR parameters of a request were changed, or the record since."""
    zone.join("as-01", SATELLITE, "10.1.1.1")
    future = FutureCertificate.objects.get(device__name="as-01")
    asked = future.csr_parameters
    for forged in (
        {"dns_names": [*asked["dns_names"], "www.bank.example"]},
        {"addresses": [*asked["addresses"], "10.6.6.6"]},
        {"common_name": "www.bank.example"},
    ):
        FutureCertificate.objects.filter(pk=future.pk).update(
            csr_parameters={**asked, **forged}, state=FutureState.AWAITED
        )
        sign()
        future.refresh_from_db()
        assert (future.state, future.chain_pem) == (FutureState.CREATE_FAILED, "")
        assert "is not in the record of as-01. No certificate was issued." in future.reason
    certificate_requests.retry(future)
    sign()
    future.refresh_from_db()
    assert future.state == FutureState.CREATED


def test_a_waiting_server_cannot_keep_the_names_of_an_earlier_registration(zone):
    """It registered with other names than those that were approved, during a CA operation."""
    host = Host("as-01", SATELLITE, "10.1.1.1")
    now = timezone.now()
    operation = factories.operation(Authority.objects.current(), state="preparing")
    operation.parameters = {"key_length": 256, "include_dns": True}
    operation.future_authority = Authority.objects.current()
    operation.save()
    register(zone, host, approves=False, fqdn="www.bank.example")
    assert operation.futures.get().csr_parameters["dns_names"] == ["www.bank.example"]
    register(zone, host, approves=False)
    device = Device.objects.get(name="as-01")
    registration.approve(device, epoch=device.credential_epoch, may_add_names=True)
    names = [future.csr_parameters["dns_names"] for future in device.futures.open()]
    assert names == [["as-01.test.example"]] * 2
    assert now <= device.registered_at


def test_an_approved_change_is_used_by_an_operation_in_progress(zone):
    host = satellite(zone)
    operation = factories.operation(Authority.objects.current(), state="preparing")
    operation.parameters = {"key_length": 256, "include_dns": True}
    operation.save()
    asked = FutureCertificate.objects.get(device=host.guid).csr_parameters
    factories.future(operation, zone.device(host), FutureState.AWAITED, csr_parameters=asked)
    return_as(host, **CHANGES["fqdn"])
    changes.approve_change(zone.device(host), may_add_names=True)
    certificate_requests.create_requested_certificates()
    assert operation.futures.get().csr_parameters["dns_names"] == ["console.bank.example"]
