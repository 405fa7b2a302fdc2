"""Late devices: on the bridge, in the way, cut off, not refreshed (D-28, D-29, D-47)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates.models import Authority, Bridge, Operation
from certificates.operations import scheduler
from certificates.trust import stragglers
from devices.models import Device
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState
from tests.certificates.trust.test_roots import activated
from tests.support import factories

PAGE = "/configuration/certificates/trust/"
A = AssignmentState


@pytest.fixture
def changed(zone):
    """A zone after a Remint CA: its server has moved on, one device knows the old root alone."""
    device, old, new = activated(zone)
    device.refresh(root_sha256=old.sha256, trusted_sha256=[old.sha256])
    zone.first.refresh(root_sha256=new.sha256, trusted_sha256=[new.sha256, old.sha256])
    client = Client()
    client.force_login(factories.admin())
    return client, device, old, new


def text(client, query=""):
    return client.get(f"{PAGE}{query}", secure=True).content.decode()


def test_the_devices_that_rely_on_the_bridge_are_counted_and_named(changed):
    client, device, old, new = changed
    page = text(client)
    assert "1 device relies on the bridge" in page
    assert "pc-01" in page
    assert "sent until" in page
    device.refresh(root_sha256=old.sha256, trusted_sha256=[old.sha256, new.sha256])
    page = text(client)
    assert "0 devices rely on the bridge" in page
    assert "Trusts the new root, does not use it yet" in page
    device.refresh(root_sha256=new.sha256, trusted_sha256=[old.sha256, new.sha256])
    assert "Every registered device uses the current root." in text(client)


def test_a_filter_leaves_those_that_rely_on_it(changed):
    client, _device, _old, _new = changed
    assert [r["device"].name for r in client.get(f"{PAGE}?state=relies").context["rows"]] == [
        "pc-01"
    ]
    assert client.get(f"{PAGE}?state=not-yet").context["rows"] == []
    assert client.get(f"{PAGE}?q=nobody").context["rows"] == []


def test_without_a_bridge_the_page_does_not_speak_of_one(changed):
    client, _device, _old, _new = changed
    Bridge.objects.all().delete()
    page = text(client)
    assert "rely on the bridge" not in page
    assert "1 device does not use the current root yet" in page
    assert "Knows the old root alone" in page


def test_a_device_that_registered_after_the_activation_relies_on_nothing(changed, zone):
    late_comer = zone.join("pc-02")
    after = Authority.objects.current().activated_at + timedelta(seconds=1)
    Device.objects.filter(pk=late_comer.id).update(registered_at=after)
    standing = {d.name: d.standing for d in stragglers.standing_back()}
    assert standing == {"pc-01": stragglers.RELIES, "pc-02": stragglers.NOT_YET}
    assert Device.objects.get(name="pc-02").root_sha256 == ""


def test_the_page_says_when_a_root_goes_and_who_stands_in_the_way(changed):
    _client, device, old, new = changed
    now = timezone.now()
    old = Authority.objects.get(pk=old.pk)
    by_state = {root.authority.state: root for root in stragglers.roots(now)}
    assert by_state["current"].holders == 1
    assert by_state["grace"].holders == 1
    assert "now 1 do not" in by_state["grace"].retires
    past = old.grace_until + timedelta(seconds=1)
    assert "1 devices stand in the way" in stragglers.roots(past)[1].retires
    device.refresh(root_sha256=new.sha256)
    assert "on its way" in stragglers.roots(past)[1].retires


def test_the_operation_counts_who_has_not_refreshed_since_the_last_certificate(zone):
    """D-47."""
    device, _old, _new = activated(zone)
    operation = Operation.objects.get()
    stored = stragglers.last_stored(operation)
    Device.objects.filter(pk=device.id).update(last_contact=stored - timedelta(seconds=1))
    Device.objects.filter(pk=zone.first.id).update(last_contact=stored + timedelta(seconds=1))
    assert [d.name for d in stragglers.not_refreshed(operation)] == ["pc-01"]
    client = Client()
    client.force_login(factories.admin())
    there = f"/configuration/certificates/operations/{operation.pk}/"
    assert "pc-01" in client.get(f"{there}not-refreshed/", secure=True).content.decode()
    Operation.objects.update(state="assigned", activated_at=None)
    page = client.get(there, secure=True).content.decode()
    assert "1 device has not refreshed" in page


def advanced(operation, moment):
    scheduler.advance(Operation.objects.get(pk=operation.pk), now=moment)
    return Assignment.objects.get(device__name="pc-01")


@pytest.mark.parametrize("why", ["no bridge", "expired root"])
def test_a_silent_device_without_a_way_back_needs_the_tool(zone, why):
    device, old, _new = activated(zone)
    operation = Operation.objects.get()
    since = operation.activated_at
    Device.objects.update(last_contact=since + timedelta(seconds=1))
    Device.objects.filter(pk=device.id).update(last_contact=since - timedelta(seconds=1))
    moment = since + timedelta(minutes=3)
    assert advanced(operation, moment).state != A.NEEDS_CRT, "the bridge carries it"
    if why == "no bridge":
        Bridge.objects.all().delete()
    else:
        moment = old.not_after + timedelta(seconds=1)
    assert advanced(operation, since + timedelta(seconds=1)).state != A.NEEDS_CRT, "too soon"
    row = advanced(operation, moment)
    assert row.state == A.NEEDS_CRT
    assert "Remint Tool" in row.action
    assert Entry.objects.get(action="cut-off").detail == {"devices": 1}
    device.report(str(operation.update_id), "activated")
    assert Assignment.objects.get(pk=row.pk).state == A.ACTIVATED, "it found back by itself"


def test_a_device_that_was_heard_since_the_activation_is_not_called_cut_off(zone):
    device, _old, _new = activated(zone)
    operation = Operation.objects.get()
    Bridge.objects.all().delete()
    since = operation.activated_at
    Device.objects.filter(pk=device.id).update(last_contact=since + timedelta(seconds=1))
    assert advanced(operation, since + timedelta(minutes=3)).state != A.NEEDS_CRT
