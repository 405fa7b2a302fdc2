"""A CA with name constraints: checks before it is created, and of each name that is added later.

See: D-280; D-281
"""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from certificates.issuance import integrity, names, signing
from certificates.models import Authority, CrossCertificate, FutureCertificate, Operation
from certificates.monitoring import workers
from certificates.name_constraints import proposal
from certificates.operations import cancellation, creation, requests, rollback
from certificates.operations.states import FutureState
from devices.models import Device
from devices.registration import registration
from faults import Fault, Refused
from pki.certificates.constraints import NameConstraints, read_constraints
from pki.certificates.details import get_details
from tests.devices.registration.test_server_names import register
from tests.pki import factories
from tests.support import walkthrough
from tests.support.zone import Host
from wire import messages

SATELLITE = messages.AUTHENTICATION_SATELLITE
LIMITS = NameConstraints.parse(["test.example"], ["127.9.0.0/24", "10.1.1.0/24"])
WIDER = NameConstraints.parse(["test.example", "shop.example"], ["127.9.0.0/24", "10.0.0.0/8"])


def remint(zone, limits):
    """Run Remint CA with name constraints on all hosts."""
    operation = walkthrough.remint_ca(name_constraints=limits)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    operation = walkthrough.cut_over(zone, operation)
    assert operation.state in ("activated", "completed")
    return operation


def save(zone, *dns_names):
    registration.save_dns_names(zone.device(zone.first), list(dns_names), may_add_names=True)


@pytest.mark.parametrize(
    ("given", "name", "field"),
    [
        ((["other.example"], ["127.9.0.0/24"]), "ps-01.test.example", "domains"),
        ((["test.example"], ["10.0.0.0/8"]), "127.9.0.1", "networks"),
        ((["test.example"],), "127.9.0.1", "networks"),
    ],
)
def test_an_operation_does_not_start_if_a_server_would_get_no_certificate(zone, given, name, field):
    limits = NameConstraints.parse(*given)
    with pytest.raises(Refused, match=r"issued to ps-01.*do not permit") as caught:
        walkthrough.remint_ca(name_constraints=limits)
    assert name in str(caught.value)
    assert "Nothing was changed." in str(caught.value)
    assert caught.value.field == field
    assert not Operation.objects.exists()
    workers.record_heartbeat(zone.first.guid, timezone.now())
    with pytest.raises(Refused, match="do not permit"):
        walkthrough.to_internal(zone.first, name_constraints=limits)


def test_additional_names_count_only_if_they_are_included(zone):
    save(zone, "www.shop.example")
    with pytest.raises(Refused, match=r"www\.shop\.example"):
        walkthrough.remint_ca(name_constraints=LIMITS, include_dns=True)
    walkthrough.remint_ca(name_constraints=LIMITS)


def test_the_new_root_and_its_cross_certificate_have_the_constraints(zone):
    old = Authority.objects.current()
    operation = walkthrough.remint_ca(name_constraints=LIMITS)
    walkthrough.prepare(zone, operation)
    new = walkthrough.fresh(operation).future_authority
    assert read_constraints(new.root_pem) == LIMITS
    new_with_old = CrossCertificate.objects.get(issuer=old, subject=new)
    old_with_new = CrossCertificate.objects.get(issuer=new, subject=old)
    assert get_details(new_with_old.pem).permitted == get_details(new.root_pem).permitted
    assert get_details(old_with_new.pem).permitted == ()
    assert list(integrity.list_findings(timezone.now())) == []
    CrossCertificate.objects.filter(pk=new_with_old.pk).update(pem=old_with_new.pem)
    findings = [found.why for found in integrity.list_findings(timezone.now())]
    assert "The name constraints do not match those of the subject CA." in findings


def test_every_server_is_accepted_with_each_root_and_the_next_remint_changes_the_limits(zone):
    zone.join("as-01", SATELLITE, "10.1.1.1")
    signing.sign_batch(Authority.objects.current(), now=timezone.now())
    first = Authority.objects.current()
    remint(zone, LIMITS)
    second = Authority.objects.current()
    assert second != first
    assert proposal.propose() == proposal.get_current() == LIMITS
    assert walkthrough.verified_by([first.root_pem], [second.root_pem]) == [True, True]
    remint(zone, WIDER)
    third = Authority.objects.current()
    assert proposal.get_current() == WIDER
    stores = [[second.root_pem], [third.root_pem], [second.root_pem, third.root_pem]]
    assert walkthrough.verified_by(*stores) == [True, True, True]


def test_names_outside_the_zone_ca_are_rejected_wherever_they_are_added(zone):
    remint(zone, LIMITS)
    with pytest.raises(Refused, match=r"do not permit www\.shop\.example") as caught:
        save(zone, "ftp.test.example", "www.shop.example")
    assert "Remint CA" in caught.value.action
    assert zone.device(zone.first).dns_names == []
    save(zone, "ftp.test.example")
    response = register(zone, Host("as-01", SATELLITE, "192.0.2.1"))
    assert response.status_code == 409
    assert "do not permit 192.0.2.1" in response.json()["title"]
    assert "Remint CA" in response.json()["action"]
    assert not Device.objects.filter(name="as-01").exists()
    assert register(zone, Host("pc-01", messages.MANAGED, "192.0.2.1")).status_code == 201
    remint(zone, None)
    save(zone, "ftp.test.example", "www.shop.example")


def test_a_server_that_waits_for_approval_is_checked_again(zone):
    register(zone, Host("as-01", SATELLITE, "192.0.2.1"), approves=False)
    remint(zone, LIMITS)
    device = Device.objects.get(name="as-01")
    with pytest.raises(Refused, match=r"192\.0\.2\.1"):
        registration.approve(device, may_add_names=True)
    device.refresh_from_db()
    assert device.state == "waiting"


def test_names_are_checked_with_the_new_ca_of_an_operation_until_it_is_canceled(zone):
    operation = walkthrough.remint_ca(name_constraints=LIMITS)
    with pytest.raises(Refused, match=r"do not permit www\.shop\.example"):
        save(zone, "www.shop.example")
    cancellation.cancel(operation, now=timezone.now())
    save(zone, "www.shop.example")


def test_a_csr_with_a_name_outside_gets_no_certificate_and_the_reason_is_shown(zone):
    """The last check, if a name was recorded without the others, for example by a rollback."""
    remint(zone, LIMITS)
    device = zone.device(zone.first)
    Device.objects.filter(pk=device.pk).update(dns_names=["www.shop.example"])
    device = zone.device(zone.first)
    assert "do not permit" in names.find_name_faults([device])[device.pk]
    with pytest.raises(Refused, match="do not permit"):
        walkthrough.remint_servers(zone.first, include_dns=True)
    operation = walkthrough.remint_servers(zone.first)
    future = operation.futures.get()
    asked = {**future.csr_parameters, "dns_names": ["ps-01.test.example", "www.shop.example"]}
    FutureCertificate.objects.filter(pk=future.pk).update(csr_parameters=asked)
    walkthrough.prepare(zone, operation)
    walkthrough.step(operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    zone.first.request_certificate(str(walkthrough.fresh(operation).update_id))
    signing.sign_batch(Authority.objects.current(), now=timezone.now())
    future.refresh_from_db()
    assert future.state == FutureState.CREATE_FAILED
    assert "do not permit www.shop.example" in future.reason
    assert "Remint CA" in future.action


def test_a_rollback_returns_to_the_constraints_of_the_previous_ca(zone):
    save(zone, "ftp.test.example")
    operation = remint(zone, LIMITS)
    rollback.roll_back(walkthrough.fresh(operation), now=timezone.now())
    assert proposal.get_current() is None
    save(zone, "www.shop.example")


def test_a_ca_from_a_backup_must_permit_all_servers(zone):
    root = factories.ca("From a backup", name_constraints=LIMITS).pem
    save(zone, "www.shop.example")
    workers.record_heartbeat(zone.first.guid, timezone.now())
    request = requests.TakeOverCARequest(
        certificate_server=zone.device(zone.first).pk,
        root_pem=root,
        intermediates_pem="",
        authority=uuid4(),
        key_length=256,
        include_dns=True,
        activates_at=walkthrough.soon(),
    )
    with pytest.raises(Fault, match=r"do not permit www\.shop\.example"):
        creation.take_over_ca(request, "sealed", by=None, key=uuid4(), now=timezone.now())
