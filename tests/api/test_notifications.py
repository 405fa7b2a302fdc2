"""Targets of notifications and their history in the REST API (B-20, B-25)."""

import ipaddress

import pytest
from django.utils import timezone

from audit.models import Entry
from notifications.delivery import delivery
from notifications.models import Delivery, DeliveryState, Target
from tests.api.conftest import problem, refuses, succeeds
from tests.support import receivers

EVENTS = ["operation.blocked", "operation.completed"]
MAIL = {"kind": "mail", "name": "team", "events": EVENTS, "recipients": ["team@acme.example"]}


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with receivers.http_server() as server:
        yield server


@pytest.fixture
def hook(everybody, receiver):
    """A webhook to the receiver, as it was answered."""
    order = {"kind": "webhook", "name": "pager", "events": EVENTS, "url": receiver.url}
    answer = everybody.post("notification-targets", order)
    assert answer.status_code == 201, answer.content
    assert answer.headers["Cache-Control"] == "no-store"
    return {**answer.json()["target"], "secret": answer.json()["secret"]}


def send_all():
    now = timezone.now()
    return [delivery.send(pk, now=now) for pk in delivery.list_due(now)]


@succeeds(
    "POST /notification-targets",
    "GET /notification-targets",
    "GET /notification-targets/{target_id}",
    "GET /notification-events",
)
def test_a_target_is_made_and_tells_neither_url_nor_secret_again(everybody, hook, receiver):
    assert hook["secret"].startswith("whsec_")
    everybody.post("notification-targets", MAIL)
    listed = everybody.get("notification-targets")
    assert [one["name"] for one in listed.json()["items"]] == ["pager", "team"]
    shown = everybody.get(f"notification-targets/{hook['id']}")
    for answer in (listed, shown):
        assert hook["secret"] not in answer.content.decode()
        assert "of-the-url" not in answer.content.decode()
    assert shown.json()["host"] == "127.0.0.1"
    found = everybody.get("notification-targets?q=tea").json()["items"]
    assert found[0]["recipients"] == ["team@acme.example"]
    assert set(EVENTS) < {one["key"] for one in everybody.get("notification-events").json()}


@refuses("POST /notification-targets")
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"recipients": ["no address"]}, 422),
        ({"recipients": [f"a{n}@acme.example" for n in range(51)]}, 422),
        ({"events": ["the.end"]}, 422),
        ({"events": []}, 422),
        ({"name": " "}, 422),
        ({"kind": "pigeon"}, 422),
        ({"kind": "webhook"}, 422),
        ({"kind": "webhook", "url": "https://127.0.0.1/"}, 409),
        ({"kind": "webhook", "url": f"https://{'a' * 70}.example/"}, 409),
        ({"kind": "webhook", "url": "https://user:pass@hooks.example/"}, 422),
    ],
)
def test_what_cannot_be_a_target_is_refused(everybody, given, status):
    problem(everybody.post("notification-targets", {**MAIL, **given}), status)
    assert not Target.objects.exists()


@succeeds("PUT /notification-targets/{target_id}", "DELETE /notification-targets/{target_id}")
@refuses("PUT /notification-targets/{target_id}", "DELETE /notification-targets/{target_id}")
def test_a_target_is_changed_and_removed(everybody, hook, receiver):
    everybody.post("notification-targets", MAIL)
    there = f"notification-targets/{hook['id']}"
    order = {"name": "night", "events": EVENTS[:1], "active": False}
    told = everybody.put(there, order).json()
    assert (told["name"], told["events"], told["active"]) == ("night", EVENTS[:1], False)
    problem(everybody.put(there, {**order, "name": "team"}), 409)
    everybody.put(there, {**order, "active": True})
    everybody.post(f"{there}/test")
    assert send_all() == [True], "URL and secret are those from before"
    assert receivers.is_signed(hook["secret"], *receiver.posted[0][1:])
    gone = everybody.call("DELETE", there)
    assert (gone.status_code, gone.content) == (204, b"")
    problem(everybody.call("DELETE", there), 404)
    assert Entry.objects.get(action="remove-target").actor == "everybody"


@succeeds(
    "POST /notification-targets/{target_id}/test",
    "GET /notifications",
    "GET /notifications/{notification_id}",
)
@refuses("POST /notification-targets/{target_id}/test")
def test_a_test_is_sent_and_its_way_is_told(everybody, hook, receiver):
    sent = everybody.post(f"notification-targets/{hook['id']}/test")
    assert sent.status_code == 202
    there = f"notifications/{sent.json()['id']}"
    assert everybody.get(there).json()["state"] == "waiting"
    send_all()
    told = everybody.get(there).json()
    assert (told["state"], told["tries"][0]["answer"]) == ("sent", "HTTP 204")
    assert everybody.get("notifications?q=pager&state=sent").json()["total"] == 1
    assert everybody.get("notifications?state=waiting").json()["total"] == 0
    problem(everybody.post("notification-targets/0/test"), 404)


@succeeds("POST /notification-targets/{target_id}/new-secret")
@refuses("POST /notification-targets/{target_id}/new-secret")
def test_a_new_secret_signs_from_then_on(everybody, hook, receiver):
    there = f"notification-targets/{hook['id']}"
    answer = everybody.post(f"{there}/new-secret")
    assert answer.headers["Cache-Control"] == "no-store"
    everybody.post(f"{there}/test")
    send_all()
    assert receivers.is_signed(answer.json()["secret"], *receiver.posted[0][1:])
    assert not receivers.is_signed(hook["secret"], *receiver.posted[0][1:])
    mail = everybody.post("notification-targets", MAIL).json()
    assert mail["secret"] == ""
    problem(everybody.post(f"notification-targets/{mail['target']['id']}/new-secret"), 404)


@succeeds("POST /notifications/{notification_id}/send-again")
@refuses("POST /notifications/{notification_id}/send-again")
def test_what_was_given_up_is_sent_again(everybody, hook, receiver):
    receiver.status = 500
    everybody.post(f"notification-targets/{hook['id']}/test")
    send_all()
    there = f"notifications/{Delivery.objects.get().pk}/send-again"
    assert everybody.post(there).json()["state"] == DeliveryState.WAITING
    problem(everybody.post(there), 409)
