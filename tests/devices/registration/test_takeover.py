"""Attempts to get around a decision on a device: stale decisions, second rows, and parents."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from limits import RateLimitItemPerMinute

from devices.models import Device
from devices.registration import changes, registration, replacement, throttle
from faults import Conflict
from tests.devices.registration.test_decisions import SATELLITE, return_as, satellite
from tests.devices.registration.test_server_names import register
from tests.support import factories
from tests.support.zone import Host
from wire import json_codec, messages

pytestmark = pytest.mark.django_db


def test_a_waiting_device_does_not_replace_a_device_that_was_taken_over_since(zone):
    real = zone.join("pc-1")
    real.refresh()
    stranger = register(zone, Host("pc-1", messages.MANAGED, "10.6.6.6")).json()
    replacement.release(zone.device(real), now=timezone.now())
    honest = register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()
    assert (honest["id"], honest["approved"]) == (real.id, True)
    second = Device.objects.get(pk=stranger["id"])
    assert second.state == "retired"
    with pytest.raises(Conflict):
        registration.replace(second, epoch=second.credential_epoch, may_add_names=True)
    assert zone.device(real).state == "registered"


def test_a_waiting_device_cannot_approve_itself_by_registering_again(zone):
    zone.join("pc-1").refresh()
    host = Host("pc-1", messages.MANAGED, "10.1.1.1")
    given = register(zone, host).json()
    host.id, host.secret = given["id"], given["secret"]
    return_as(host)
    assert Device.objects.get(pk=host.id).state == "waiting"


def test_replace_is_rejected_if_a_third_device_has_the_name(zone):
    real = satellite(zone)
    waiting = register(zone, Host("as-01", SATELLITE, "10.1.1.1")).json()
    registration.retire(zone.device(real))
    register(zone, Host("as-01", SATELLITE, "10.1.1.1"))
    with pytest.raises(Conflict, match="has registered since"):
        registration.replace(Device.objects.get(pk=waiting["id"]), may_add_names=True)


def test_only_a_waiting_device_is_approved(zone):
    real = satellite(zone)
    registration.unregister(zone.device(real))
    with pytest.raises(Conflict, match="not waiting for approval"):
        registration.approve(zone.device(real), may_add_names=True)


@pytest.mark.parametrize("epoch", ["", "x", "9" * 5000, "-1"])
def test_the_page_approves_only_the_registration_that_it_showed(zone, epoch):
    client = Client()
    client.force_login(factories.user("approver", "devices.approve_device"))
    register(zone, Host("as-02", SATELLITE, "10.1.1.2"), approves=False)
    device = Device.objects.get(name="as-02")
    response = client.post(reverse("devices:approve", args=[device.pk]), {"epoch": epoch})
    assert response.status_code == 422
    device.refresh_from_db()
    assert device.state == "waiting"


@pytest.mark.parametrize("parent", ["nonsense", "cs-01"])
def test_a_returning_server_cannot_have_an_unknown_parent_or_itself(zone, parent):
    host = zone.join("cs-01", messages.CONTENT_SATELLITE, "10.1.1.9")
    host.refresh()
    before = zone.device(host).parent
    return_as(host, parent=parent)
    assert zone.device(host).requested_change == {}
    assert zone.device(host).parent == before


def test_a_change_that_is_reported_again_stays_the_one_that_was_read(zone):
    host = satellite(zone)
    return_as(host, port=9443)
    read = zone.device(host).requested_change["at"]
    return_as(host, port=9443)
    changes.approve_change(zone.device(host), at=read, may_add_names=True)
    assert zone.device(host).port == 9443


def test_a_managed_device_can_report_a_link_local_address_with_its_interface(zone):
    host = Host("pc-7", messages.MANAGED, "10.1.1.1")
    assert register(zone, host, addresses=["fe80::1%eth0"]).status_code == 201


def test_failures_are_counted_for_the_network_of_an_ipv6_address(zone, monkeypatch):
    limit = RateLimitItemPerMinute(3, namespace="failed")
    monkeypatch.setattr(throttle, "FAILED_REGISTRATIONS", limit)
    body = json_codec.dump(Host("as-9", messages.MANAGED, "10.1.1.1").registration("y" * 26))

    def send(address: str) -> int:
        client = Client(REMOTE_ADDR=address)
        url, kind = "/zac/v1/register", "application/json"
        return client.post(url, body, content_type=kind, secure=True).status_code

    codes = [send(f"2001:db8::{number:x}") for number in range(1, 6)]
    assert codes == [403, 403, 403, 429, 429]
    assert send("2001:db8:0:1::1") == 403
