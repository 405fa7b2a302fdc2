"""Copies of a device are recognized, and both sides are told in plain words (D-178)."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from certificates.monitoring import notifications
from devices.identity import copies
from devices.models import Device
from devices.models.device import COPY_REJECTIONS, COPY_SHOWN_FOR
from notifications.delivery import events
from notifications.models import Delivery, Target
from notifications.targets import targets
from tests.support import factories
from wire import authentication, json_codec, messages

pytestmark = pytest.mark.django_db
PATH = "/zac/v1/refresh"


def send(host, counter):
    body = json_codec.dump(messages.RefreshRequest(time=0.0, agent="0.1.0", generation="1"))
    signed = authentication.sign(
        host.secret, device=host.id, counter=counter, method="POST", path=PATH, body=body
    )
    headers = {"Authorization": signed.header()}
    return Client(REMOTE_ADDR="10.1.1.9").post(
        PATH, body, content_type="application/json", secure=True, headers=headers
    )


def list_entries():
    return list(Entry.objects.filter(action=copies.ACTION).values_list("note", flat=True))


def set_last_contact(host, **age):
    Device.objects.filter(pk=host.id).update(last_contact=timezone.now() - timedelta(**age))


@pytest.fixture
def host(zone):
    host = zone.join("pc-01")
    host.refresh()
    host.refresh()
    return host


def test_the_copy_is_told_what_it_is_and_what_to_do(zone, host):
    response = send(host, 1)
    assert response.status_code == 401
    problem = json.loads(response.content)
    assert problem["detail"].startswith("Another host uses the identity of pc-01, or this host")
    assert "counter" not in problem["detail"] + problem["action"]
    assert "zac reg URL --key KEY --name NAME" in problem["action"]


def test_one_request_that_was_overtaken_is_not_a_copy(zone, host):
    send(host, 1)
    assert list_entries() == []
    assert not zone.device(host).has_copy(timezone.now())


def test_a_copy_is_recorded_once_a_day_for_each_address(zone, host):
    for _ in range(COPY_REJECTIONS + 2):
        send(host, 1)
    assert list_entries() == ["pc-01 (10.1.1.9)"]
    copies.record_rejection(zone.device(host).pk, address="10.1.1.8", now=timezone.now())
    assert list_entries() == ["pc-01 (10.1.1.9)", "pc-01 (10.1.1.8)"]


def test_a_copy_is_recognized_although_the_devices_refresh_rarely(zone, host):
    set_last_contact(host, hours=6)
    send(host, 1)
    assert list_entries() == ["pc-01 (10.1.1.9)"]


def test_rejections_on_different_days_are_not_added_up(zone, host):
    now = timezone.now()
    for hours in (0, 2, 4):
        set_last_contact(host, hours=-hours)
        copies.record_rejection(
            zone.device(host).pk, address="10.1.1.9", now=now + timedelta(hours=hours)
        )
    assert list_entries() == []


def test_a_wrong_secret_leaves_no_mark(zone, host):
    host.secret = "ab" * 32
    set_last_contact(host, hours=6)
    assert send(host, 1).status_code == 401
    assert zone.device(host).copied_at is None


def test_administrators_see_the_copy_and_are_notified(zone, host, client):
    targets.create_target(
        Target.Kind.MAIL, targets.TargetSettings("a", [events.DEVICE_DECISION], "a@b.example")
    )
    notifications.create_notifications(timezone.now())
    set_last_contact(host, hours=6)
    client.force_login(factories.user("reader"))
    page = reverse("devices:device", args=[host.id])
    assert "uses the identity of pc-01" not in client.get(page).content.decode()
    send(host, 1)
    text = client.get(page).content.decode()
    assert "A host at 10.1.1.9 uses the identity of pc-01." in text
    assert "identity used by another host" in client.get(reverse("devices:list")).content.decode()
    notifications.create_notifications(timezone.now())
    [title] = Delivery.objects.values_list("title", flat=True)
    assert title == "pc-01 has the same identity as another host"


def test_the_mark_disappears_after_a_day_or_a_registration(zone, host):
    set_last_contact(host, hours=6)
    send(host, 1)
    now = timezone.now()
    assert zone.device(host).has_copy(now)
    assert not zone.device(host).has_copy(now + COPY_SHOWN_FOR)
    said = host.registration()
    response = host.send("POST", "/zac/v1/register", said)
    assert response.status_code == 201, response.content
    assert not zone.device(host).has_copy(now)
