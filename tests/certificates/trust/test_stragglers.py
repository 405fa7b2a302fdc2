"""Stragglers: devices that rely on a cross-certificate, delay a retirement, or need the tool."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from certificates.models import Authority, CrossCertificate, Operation
from certificates.operations import scheduler
from certificates.trust import stragglers
from console.pages import formatting
from devices.models import Device
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState
from tests.certificates.trust.test_roots import activated
from tests.support import factories

PAGE = "/configuration/certificates/trust/"
A = AssignmentState


@pytest.fixture
def changed(zone):
    """A zone after Remint CA: the server uses the new root, one device trusts only the old one."""
    device, old, new = activated(zone)
    device.refresh(root_sha256=old.sha256, trusted_sha256=[old.sha256])
    zone.first.refresh(root_sha256=new.sha256, trusted_sha256=[new.sha256, old.sha256])
    client = Client()
    client.force_login(factories.admin())
    return client, device, old, new


def text(client, query=""):
    return client.get(f"{PAGE}{query}", secure=True).content.decode()


def test_the_page_lists_the_devices_that_rely_on_the_cross_certificate(changed):
    client, device, old, new = changed
    page = text(client)
    assert "1 device relies on the cross-certificate" in page
    assert "pc-01" in page
    assert "sent until" in page
    device.refresh(root_sha256=old.sha256, trusted_sha256=[old.sha256, new.sha256])
    page = text(client)
    assert "0 devices rely on the cross-certificate" in page
    assert "Trusts the new root but does not use it yet" in page
    device.refresh(root_sha256=new.sha256, trusted_sha256=[old.sha256, new.sha256])
    assert "All registered devices use the current root." in text(client)


def test_the_page_filters_stragglers_by_status_and_name(changed):
    client, _device, _old, _new = changed
    assert [r["device"].name for r in client.get(f"{PAGE}?state=relies").context["rows"]] == [
        "pc-01"
    ]
    assert client.get(f"{PAGE}?state=not-yet").context["rows"] == []
    assert client.get(f"{PAGE}?q=nobody").context["rows"] == []


def test_the_page_does_not_mention_a_cross_certificate_without_one(changed):
    client, _device, _old, _new = changed
    CrossCertificate.objects.all().delete()
    page = text(client)
    assert "rely on the cross-certificate" not in page
    assert "1 device does not use the current root yet" in page
    assert "Trusts only the old root" in page


def test_a_device_registered_after_the_activation_does_not_rely_on_the_cross_certificate(
    changed, zone
):
    newcomer = zone.join("pc-02")
    after = Authority.objects.current().activated_at + timedelta(seconds=1)
    Device.objects.filter(pk=newcomer.id).update(registered_at=after)
    statuses = {d.name: d.status for d in stragglers.get_stragglers()}
    assert statuses == {
        "pc-01": stragglers.RELIES_ON_CROSS_CERTIFICATE,
        "pc-02": stragglers.NOT_SWITCHED,
    }
    assert Device.objects.get(name="pc-02").root_sha256 == ""


def test_roots_describe_when_they_are_retired(changed):
    _client, device, old, new = changed
    now = timezone.now()
    old = Authority.objects.get(pk=old.pk)
    by_state = {root.authority.state: root for root in stragglers.list_roots(now)}
    assert by_state["current"].holders == 1
    assert by_state["grace"].holders == 1
    assert "(devices remaining: 1)" in by_state["grace"].retires
    past = old.grace_until + timedelta(seconds=1)
    assert "devices that still need this root: 1" in stragglers.list_roots(past)[1].retires
    device.refresh(root_sha256=new.sha256)
    assert "is being delivered" in stragglers.list_roots(past)[1].retires


def test_roots_name_the_hosts_that_keep_them(changed):
    client, device, old, new = changed
    old = Authority.objects.get(pk=old.pk)
    device.refresh(root_sha256=new.sha256)
    past = old.grace_until + timedelta(seconds=1)
    until = past + timedelta(days=9)
    for name in ("a.hosts.example", "b.hosts.example"):
        factories.acme_certificate(name, old, not_after=until)
    left = "Hosts without an agent that still use a certificate of this CA: 2."
    now = stragglers.list_roots(timezone.now())[1]
    assert now.hosts == 2
    assert left in now.retires
    overdue = stragglers.list_roots(past)[1].retires
    assert overdue == f"overdue, no later than {formatting.stamp(until)}. {left}"
    assert left in text(client)


@pytest.mark.manual("R087", "R088", "R142", "R210")
def test_the_operation_counts_devices_without_a_refresh_since_the_last_certificate(zone):
    """D-47."""
    device, _old, _new = activated(zone)
    operation = Operation.objects.get()
    stored = stragglers.get_last_stored(operation)
    Device.objects.filter(pk=device.id).update(last_contact=stored - timedelta(seconds=1))
    Device.objects.filter(pk=zone.first.id).update(last_contact=stored + timedelta(seconds=1))
    assert [d.name for d in stragglers.get_not_refreshed(operation)] == ["pc-01"]
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


@pytest.mark.manual("R043")
@pytest.mark.parametrize("why", ["no cross-certificate", "expired root"])
def test_a_device_that_cannot_reconnect_over_tls_needs_the_remint_tool(zone, why):
    device, old, _new = activated(zone)
    operation = Operation.objects.get()
    since = operation.activated_at
    Device.objects.update(last_contact=since + timedelta(seconds=1))
    Device.objects.filter(pk=device.id).update(last_contact=since - timedelta(seconds=1))
    moment = since + timedelta(minutes=3)
    assert advanced(operation, moment).state != A.NEEDS_CRT, "it can use the cross-certificate"
    if why == "no cross-certificate":
        CrossCertificate.objects.all().delete()
    else:
        moment = old.not_after + timedelta(seconds=1)
    assert advanced(operation, since + timedelta(seconds=1)).state != A.NEEDS_CRT, "too soon"
    row = advanced(operation, moment)
    assert row.state == A.NEEDS_CRT
    assert "Remint Tool" in row.action
    assert Entry.objects.get(action="cut-off").detail == {"devices": 1}
    device.report(str(operation.update_id), "activated")
    assert Assignment.objects.get(pk=row.pk).state == A.ACTIVATED, "it recovered"


def test_a_device_with_contact_since_the_activation_does_not_need_the_remint_tool(zone):
    device, _old, _new = activated(zone)
    operation = Operation.objects.get()
    CrossCertificate.objects.all().delete()
    since = operation.activated_at
    Device.objects.filter(pk=device.id).update(last_contact=since + timedelta(seconds=1))
    assert advanced(operation, since + timedelta(minutes=3)).state != A.NEEDS_CRT
