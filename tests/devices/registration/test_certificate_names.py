"""New names of a certificate are shown, recorded, and require a right on the CA (D-142)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from certificates.operations.states import AuthorityState
from devices.models import Device, RegistrationKey
from devices.registration import certificate_names, registration
from faults import Forbidden
from tests.api.conftest import APPROVE, CA, CHANGE, caller, problem
from tests.devices.registration.test_decisions import CHANGES, return_as, satellite
from tests.devices.registration.test_server_names import register
from tests.support import clients, factories
from tests.support.zone import Host
from wire import messages

pytestmark = pytest.mark.django_db
SATELLITE = messages.AUTHENTICATION_SATELLITE
MISSING = "Adding names requires the “Certificate Authority” right. Nothing was changed."


def log_in(*rights: str) -> Client:
    client = Client()
    client.force_login(factories.user(f"with-{len(rights)}", *rights))
    return client


def waiting() -> Device:
    return Device.objects.get(name="as-02")


def approve(client: Client) -> Any:
    shown = {"epoch": waiting().credential_epoch}
    return client.post(reverse("devices:approve", args=[waiting().pk]), shown)


def test_a_server_is_approved_only_with_the_right_to_add_its_names(zone):
    register(zone, Host("as-02", SATELLITE, "10.1.1.2"), approves=False)
    approver = log_in(APPROVE)
    page = approver.get(reverse("devices:device", args=[waiting().pk])).content.decode()
    assert "New in this certificate:</b> as-02.test.example, 10.1.1.2" in page
    assert "Adding names requires the Certificate Authority right." in page
    keys = approver.get(reverse("zone:keys")).content.decode()
    assert "New in this certificate:</b> as-02.test.example, 10.1.1.2" in keys
    response = approve(approver)
    assert response.status_code == 403
    assert MISSING in response.content.decode()
    assert waiting().state == "waiting"

    assert approve(log_in(APPROVE, CA)).status_code == 302
    assert waiting().state == "registered"
    entry = Entry.objects.get(action="certificate-names")
    assert entry.detail["names"] == {"before": [], "after": ["as-02.test.example", "10.1.1.2"]}


@pytest.mark.parametrize("role", [messages.CONTENT_SATELLITE, messages.MANAGED])
def test_a_device_without_a_certificate_is_approved_with_the_right_approve_device(zone, role):
    host = zone.join("as-02", role, "10.1.1.2")
    Device.objects.filter(pk=host.id).update(state="waiting")
    assert approve(log_in(APPROVE)).status_code == 302
    assert waiting().state == "registered"


def test_a_server_with_the_names_of_its_certificate_is_approved_again(zone):
    device = zone.device(zone.join("as-02", SATELLITE, "10.1.1.2"))
    factories.certificate(device, factories.authority(state=AuthorityState.RETIRED))
    Device.objects.filter(pk=device.pk).update(state="waiting")
    assert certificate_names.find_requested_change(waiting()).added == []
    assert approve(log_in(APPROVE)).status_code == 302


def test_a_change_is_approved_only_with_the_right_to_add_its_names(zone):
    host = satellite(zone)
    factories.certificate(zone.device(host), factories.authority(state=AuthorityState.RETIRED))
    return_as(host, **CHANGES["fqdn"])
    url = reverse("devices:decide_change", args=[host.id])
    approver = log_in(APPROVE)
    page = approver.get(reverse("devices:device", args=[host.id])).content.decode()
    assert "New in this certificate:</b> console.bank.example" in page
    assert "No longer in this certificate:</b> as-01.test.example" in page
    response = approver.post(url, {"decision": "approve"})
    assert (response.status_code, MISSING in response.content.decode()) == (403, True)
    assert zone.device(host).fqdn == "as-01.test.example"
    return_as(host, **CHANGES["port"])
    assert approver.post(url, {"decision": "approve"}).status_code == 302, "no name is added"
    return_as(host, port=9443, **CHANGES["fqdn"])
    assert log_in(APPROVE, CA).post(url, {"decision": "approve"}).status_code == 302
    names = Entry.objects.get(action="certificate-names").detail["names"]
    assert "console.bank.example" not in names["before"]
    assert "console.bank.example" in names["after"]


def test_dns_names_are_added_only_with_the_right_and_after_a_confirmation(zone):
    host = satellite(zone)
    Device.objects.filter(pk=host.id).update(dns_names=["old.test.example"])
    factories.certificate(zone.device(host), factories.authority(state=AuthorityState.RETIRED))
    url = reverse("devices:settings", args=[host.id])
    both = {"dns_names": "old.test.example\nnew.test.example"}
    changer = log_in(CHANGE)
    response = changer.post(url, {**both, "confirmed": "new.test.example"})
    assert MISSING in response.content.decode()
    assert zone.device(host).dns_names == ["old.test.example"]
    assert changer.post(url, {"dns_names": ""}).status_code == 302, "removing adds no name"
    known = zone.device(host).fqdn
    assert changer.post(url, {"dns_names": known}).status_code == 302

    administrator = log_in(CHANGE, CA)
    page = administrator.post(url, both).content.decode()
    assert "New in this certificate:</b> old.test.example, new.test.example" in page
    assert zone.device(host).dns_names == [known], "nothing is saved before the confirmation"
    other = {**both, "confirmed": "old.test.example"}
    assert administrator.post(url, other).status_code == 200, "another name was confirmed"
    confirmed = {**both, "confirmed": "old.test.example new.test.example"}
    assert administrator.post(url, confirmed).status_code == 302
    assert zone.device(host).dns_names == ["old.test.example", "new.test.example"]


def test_the_api_requires_the_right_of_the_user_and_of_the_token(zone):
    register(zone, Host("as-02", SATELLITE, "10.1.1.2"), approves=False)
    host = satellite(zone)
    return_as(host, **CHANGES["fqdn"])
    shown = caller("reader").get(f"devices/{waiting().pk}").json()
    assert shown["certificate_names"]["added"] == ["as-02.test.example", "10.1.1.2"]
    calls: dict[str, Any] = {
        f"devices/{waiting().pk}/approve": None,
        f"devices/{host.id}/approve-change": {},
    }
    weak = caller("approver", APPROVE, CHANGE)
    narrowed = caller("narrowed", APPROVE, CHANGE, CA, narrowed=[APPROVE, CHANGE])
    for user in (weak, narrowed):
        for path, body in calls.items():
            assert MISSING in problem(user.post(path, body), 403)["detail"]
        names = {"dns_names": ["new.test.example"]}
        assert MISSING in problem(user.put(f"devices/{host.id}/dns-names", names), 403)["detail"]
    assert waiting().state == "waiting"
    strong = caller("strong", APPROVE, CHANGE, CA)
    for path, body in calls.items():
        assert strong.post(path, body).status_code == 200
    assert strong.get(f"devices/{host.id}").json()["certificate_names"] is None


def test_a_key_that_approves_servers_requires_the_right_to_add_names(zone):
    """Otherwise a user could approve a server with a key that they created."""
    body = {
        "label": "x",
        "role": SATELLITE,
        "approves": True,
        "domains": ["a.example"],
        "networks": ["10.1.0.0/16"],
    }
    before = RegistrationKey.objects.count()
    weak = caller("approver", APPROVE)
    assert "No key was created" in problem(weak.post("registration-keys", body), 403)["detail"]
    form = {"label": "x", "role": SATELLITE, "uses": "1", "days": "7", "approves": "on"}
    form |= {"domains": "a.example", "networks": "10.1.0.0/16"}
    page = clients.log_in(factories.user("other", APPROVE)).post(reverse("zone:keys"), form)
    assert "No key was created" in str(page.context["form"].errors)
    assert RegistrationKey.objects.count() == before
    without = {**body, "role": messages.CONTENT_SATELLITE}
    assert weak.post("registration-keys", without).status_code == 201, "it has no certificate"
    assert caller("strong", APPROVE, CA).post("registration-keys", body).status_code == 201


def test_a_replacement_gets_the_names_only_with_the_right_to_add_them(zone):
    real = satellite(zone)
    registration.save_dns_names(zone.device(real), ["www.test.example"], may_add_names=True)
    answer = register(zone, Host("as-01", SATELLITE, "10.1.1.1")).json()
    second = Device.objects.get(pk=answer["id"])
    change = certificate_names.find_requested_change(second)
    assert change.added == ["as-01.test.example", "www.test.example", "10.1.1.1"]
    with pytest.raises(Forbidden, match=r"www\.test\.example"):
        registration.replace(second, may_add_names=False)
    assert zone.device(real).state == "registered", "nothing was changed"
