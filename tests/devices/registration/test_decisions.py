"""An administrator decides on changed names of a server, and on a name that is in use."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates.issuance import requests as certificate_requests
from certificates.models import FutureCertificate
from certificates.monitoring import notifications
from devices.models import Device, Zone, ZoneKey
from devices.registration import changes, registration, replacement
from faults import Fault
from notifications.delivery import events
from notifications.models import Delivery, Target
from notifications.targets import targets
from tests.devices.registration.test_server_names import register
from tests.support.zone import Host
from wire import authentication, json_codec, messages
from wire.records import replace

SATELLITE = messages.AUTHENTICATION_SATELLITE


def return_as(host: Host, **changed: Any) -> Any:
    """Register a host again with its own secret, and take the new secret."""
    body = replace(host.registration(), device=host.id, **changed)
    response = host.send("POST", "/zac/v1/register", body)
    if response.status_code == 201:
        host.secret, host.counter = response.json()["secret"], 0
    return response


def satellite(zone: Any) -> Host:
    host: Host = zone.join("as-01", SATELLITE, "10.1.1.1")
    host.refresh()
    return host


CHANGES: dict[str, dict[str, Any]] = {
    "fqdn": {"fqdn": "console.bank.example"},
    "addresses": {"addresses": ["10.1.1.1", "10.1.1.66"]},
    "port": {"port": 9443},
    "content_port": {"content_port": 9080},
    "preflight_port": {"preflight_port": 9444},
    "parent": {"parent": "ps-01"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_a_server_reports_waits_for_a_decision(zone, name):
    host = satellite(zone)
    before = changes.get_recorded(zone.device(host))
    issued = FutureCertificate.objects.filter(device=host.guid).count()
    response = return_as(host, **CHANGES[name])
    assert (response.status_code, response.json()["approved"]) == (201, True)
    device = zone.device(host)
    assert changes.get_recorded(device) == before
    assert [change["name"] for change in changes.describe_change(device)] == [name]
    assert FutureCertificate.objects.filter(device=host.guid).count() == issued
    assert host.refresh()["approved"], "the server goes on with its old record"
    entry = Entry.objects.get(action="request-change")
    assert entry.detail[name] == {"before": before[name], "after": CHANGES[name][name]}

    changes.approve_change(device, at=device.requested_change["at"], may_add_names=True)
    after = zone.device(host)
    assert changes.get_recorded(after)[name] == CHANGES[name][name]
    assert after.requested_change == {}
    assert Entry.objects.get(action="approve-change").detail == entry.detail
    certificate_requests.create_requested_certificates()
    future = FutureCertificate.objects.latest("pk")
    assert future.csr_parameters["common_name"] == after.fqdn
    assert future.csr_parameters["addresses"] == after.addresses


def test_the_vault_keys_of_a_primary_server_are_fixed(zone):
    """They decide who can read the zone keys."""
    host = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    before = zone.device(host)
    assert return_as(host).status_code == 201, "a test host reports new vault keys each time"
    after = zone.device(host)
    assert (after.vault_key, after.ca_vault_key) == (before.vault_key, before.ca_vault_key)
    assert ZoneKey.objects.filter(server=after).count() == 2
    assert [c["name"] for c in changes.describe_change(after)] == ["vault_key", "ca_vault_key"]
    changes.approve_change(after, may_add_names=True)
    assert not ZoneKey.objects.filter(server=after).exists()


def test_a_server_that_reports_the_same_needs_no_decision(zone):
    host = satellite(zone)
    for _ in range(2):
        assert return_as(host).status_code == 201
    assert zone.device(host).requested_change == {}
    assert not Entry.objects.filter(action="request-change").exists()
    assert FutureCertificate.objects.open().filter(device=host.guid).count() == 1


def test_a_server_withdraws_its_change(zone):
    host = satellite(zone)
    return_as(host, **CHANGES["fqdn"])
    return_as(host)
    device = zone.device(host)
    assert device.requested_change == {}
    with pytest.raises(Fault, match="No change of as-01 is waiting"):
        changes.approve_change(device, may_add_names=True)


def test_a_change_that_was_not_read_is_not_approved(zone):
    host = satellite(zone)
    return_as(host, **CHANGES["port"])
    read = zone.device(host).requested_change["at"]
    return_as(host, **CHANGES["fqdn"])
    with pytest.raises(Fault, match="different change"):
        changes.approve_change(zone.device(host), at=read, may_add_names=True)
    assert zone.device(host).fqdn == "as-01.test.example"


def test_a_rejected_change_leaves_the_record(zone):
    host = satellite(zone)
    return_as(host, **CHANGES["fqdn"])
    changes.reject_change(zone.device(host))
    after = zone.device(host)
    assert (after.requested_change, after.fqdn) == ({}, "as-01.test.example")
    assert Entry.objects.get(action="reject-change").detail["fqdn"]["after"]


def test_a_returning_server_cannot_request_what_another_server_has(zone):
    host = satellite(zone)
    response = return_as(host, fqdn="ps-01.test.example", addresses=["127.9.0.1"])
    assert response.status_code == 409
    assert zone.device(host).requested_change == {}
    host.counter += 1
    assert host.refresh()["approved"]


def test_a_registration_that_was_not_read_is_not_approved(zone):
    host = Host("as-01", SATELLITE, "10.1.1.1")
    register(zone, host, approves=False)
    read = Device.objects.get(name="as-01")
    register(zone, host, approves=False, fqdn="other.test.example")
    with pytest.raises(Fault, match="registered again since"):
        registration.approve(
            Device.objects.get(name="as-01"), epoch=read.credential_epoch, may_add_names=True
        )
    assert Device.objects.get(name="as-01").state == "waiting"


@pytest.mark.parametrize(
    "role", [messages.MANAGED, messages.CONTENT_SATELLITE, SATELLITE, messages.PRIMARY]
)
def test_a_device_in_contact_is_not_taken_over_by_its_name(zone, role):
    real = zone.join("host-1", role, "127.9.0.40")
    real.refresh()
    before = zone.device(real)
    response = register(zone, Host("host-1", role, "127.9.0.40"))
    assert (response.status_code, response.json()["approved"]) == (201, False)
    assert response.json()["id"] != real.id
    second = Device.objects.get(pk=response.json()["id"])
    assert (second.name, second.state, second.replaces) == ("host-1 (2)", "waiting", before)
    after = zone.device(real)
    assert (after.credential_epoch, after.vault_key) == (before.credential_epoch, before.vault_key)
    assert real.refresh()["approved"], "the device in contact goes on undisturbed"
    entry = Entry.objects.get(action="registered-again")
    assert entry.subject == f"devices.Device:{real.id}"
    assert "re-registered with a key from 127.0.0.1" in entry.note

    register(zone, Host("host-1", role, "127.9.0.40"))
    assert Device.objects.filter(name__startswith="host-1").count() == 2


def test_the_device_that_waits_can_replace_the_old_one(zone):
    real = satellite(zone)
    registration.save_dns_names(zone.device(real), ["www.test.example"], may_add_names=True)
    answer = register(zone, Host("as-01", SATELLITE, "10.1.1.1")).json()
    second = Device.objects.get(pk=answer["id"])
    with pytest.raises(Fault, match=r"belongs to as-01"):
        registration.approve(second, may_add_names=True)
    registration.replace(second, epoch=second.credential_epoch, may_add_names=True)
    second.refresh_from_db()
    assert (second.name, second.state, second.replaces) == ("as-01", "registered", None)
    assert second.dns_names == ["www.test.example"]
    assert zone.device(real).state == "retired"
    certificate_requests.create_requested_certificates()
    assert "www.test.example" in FutureCertificate.objects.latest("pk").csr_parameters["dns_names"]


def test_a_managed_device_that_waits_can_keep_its_own_name(zone):
    zone.join("pc-1").refresh()
    answer = register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()
    registration.approve(Device.objects.get(pk=answer["id"]), may_add_names=True)
    assert Device.objects.get(pk=answer["id"]).name == "pc-1 (2)"
    assert Device.objects.get(name="pc-1").state == "registered"


def test_a_device_that_has_no_contact_or_is_released_is_taken_over(zone):
    real = zone.join("pc-1")
    real.refresh()
    replacement.release(zone.device(real), now=timezone.now())
    answer = register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()
    assert (answer["id"], answer["approved"]) == (real.id, True)
    assert zone.device(real).released_until is None, "one release is for one registration"
    late = timezone.now() - 3 * Zone.objects.get_zone().refresh
    Device.objects.filter(pk=real.id).update(last_contact=late)
    assert register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()["id"] == real.id
    Device.objects.filter(pk=real.id).update(
        last_contact=timezone.now(), released_until=timezone.now() - timedelta(seconds=1)
    )
    assert register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()["id"] != real.id


@pytest.mark.parametrize("proof", ["valid", "old secret", "rubbish"])
def test_with_a_key_a_device_keeps_its_row_by_its_old_secret(zone, proof):
    real = zone.join("pc-1")
    real.refresh()
    from tests.devices.registration.test_registration import create_key

    said = replace(real.registration(create_key(zone, messages.MANAGED)), device=real.id)
    body, path = json_codec.dump(said), "/zac/v1/register"
    secret = real.secret if proof == "valid" else "ab" * 32
    signed = authentication.sign(
        secret, device=real.id, counter=50, method="POST", path=path, body=body
    ).header()
    sent = {authentication.PREVIOUS_IDENTITY: "rubbish" if proof == "rubbish" else signed}
    response = Client().post(path, body, content_type="application/json", secure=True, headers=sent)
    assert response.status_code == 201
    assert (json.loads(response.content)["id"] == real.id) == (proof == "valid")


def test_administrators_are_notified(zone):
    targets.create_target(
        Target.Kind.MAIL, targets.TargetSettings("a", [events.DEVICE_DECISION], "a@b.example")
    )
    notifications.create_notifications(timezone.now())
    return_as(satellite(zone), **CHANGES["fqdn"])
    zone.join("pc-1").refresh()
    register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1"))
    notifications.create_notifications(timezone.now())
    titles = sorted(Delivery.objects.values_list("title", flat=True))
    assert titles == [
        "as-01 registered with different names, addresses, or keys",
        "pc-1 was registered a second time with a key",
    ]
    texts = "".join(Delivery.objects.values_list("text", flat=True))
    assert "Address: 127.0.0.1." in texts
