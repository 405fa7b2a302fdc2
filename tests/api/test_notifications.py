"""REST API: notification targets and sent notifications."""

import pytest

from administrators.protection import account_macs
from audit.models import Entry
from notifications.models import Delivery, DeliveryState, Target
from tests.api.conftest import problem, refuses, succeeds
from tests.support import receivers
from tests.support.deliveries import send_all

EVENTS = ["operation.blocked", "operation.completed"]
MAIL = {"kind": "mail", "name": "team", "events": EVENTS, "recipients": ["team@acme.example"]}


@pytest.fixture
def hook(everybody, receiver):
    """Create a webhook to the receiver and return it with its secret."""
    body = {"kind": "webhook", "name": "pager", "events": EVENTS, "url": receiver.url}
    response = everybody.post("notification-targets", body)
    assert response.status_code == 201, response.content
    assert response.headers["Cache-Control"] == "no-store"
    return {**response.json()["target"], "secret": response.json()["secret"]}


@succeeds(
    "POST /notification-targets",
    "GET /notification-targets",
    "GET /notification-targets/{target_id}",
    "GET /notification-events",
)
def test_the_url_and_the_secret_of_a_target_are_returned_only_once(everybody, hook, receiver):
    assert hook["secret"].startswith("whsec_")
    everybody.post("notification-targets", MAIL)
    listed = everybody.get("notification-targets")
    assert [item["name"] for item in listed.json()["items"]] == ["pager", "team"]
    shown = everybody.get(f"notification-targets/{hook['id']}")
    for response in (listed, shown):
        assert hook["secret"] not in response.content.decode()
        assert "of-the-url" not in response.content.decode()
    assert shown.json()["host"] == "127.0.0.1"
    found = everybody.get("notification-targets?q=tea").json()["items"]
    assert found[0]["recipients"] == ["team@acme.example"]
    assert set(EVENTS) < {event["key"] for event in everybody.get("notification-events").json()}


@refuses("POST /notification-targets")
@pytest.mark.parametrize(
    ("changes", "status"),
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
def test_an_invalid_target_is_rejected(everybody, changes, status):
    problem(everybody.post("notification-targets", {**MAIL, **changes}), status)
    assert not Target.objects.exists()


@succeeds("PUT /notification-targets/{target_id}", "DELETE /notification-targets/{target_id}")
@refuses("PUT /notification-targets/{target_id}", "DELETE /notification-targets/{target_id}")
def test_a_target_is_changed_and_removed(everybody, hook, receiver):
    everybody.post("notification-targets", MAIL)
    url = f"notification-targets/{hook['id']}"
    body = {"name": "night", "events": EVENTS[:1], "active": False}
    changed = everybody.put(url, body).json()
    assert (changed["name"], changed["events"], changed["active"]) == ("night", EVENTS[:1], False)
    problem(everybody.put(url, {**body, "name": "team"}), 409)
    everybody.put(url, {**body, "active": True})
    everybody.post(f"{url}/test")
    assert send_all() == [True], "URL and secret are unchanged"
    assert receivers.is_signed(hook["secret"], *receiver.posted[0][1:])
    response = everybody.call("DELETE", url)
    assert (response.status_code, response.content) == (204, b"")
    problem(everybody.call("DELETE", url), 404)
    assert Entry.objects.get(action="remove-target").actor == "everybody"


@succeeds(
    "POST /notification-targets/{target_id}/test",
    "GET /notifications",
    "GET /notifications/{notification_id}",
)
@refuses("POST /notification-targets/{target_id}/test")
def test_a_test_is_sent_and_its_attempts_are_returned(everybody, hook, receiver):
    response = everybody.post(f"notification-targets/{hook['id']}/test")
    assert response.status_code == 202
    url = f"notifications/{response.json()['id']}"
    assert everybody.get(url).json()["state"] == "waiting"
    send_all()
    shown = everybody.get(url).json()
    assert (shown["state"], shown["tries"][0]["answer"]) == ("sent", "HTTP 204")
    assert everybody.get("notifications?q=pager&state=sent").json()["total"] == 1
    assert everybody.get("notifications?state=waiting").json()["total"] == 0
    problem(everybody.post("notification-targets/0/test"), 404)


@succeeds("POST /notification-targets/{target_id}/new-secret")
@refuses("POST /notification-targets/{target_id}/new-secret")
def test_a_new_secret_replaces_the_previous_one(everybody, hook, receiver):
    url = f"notification-targets/{hook['id']}"
    response = everybody.post(f"{url}/new-secret")
    assert response.headers["Cache-Control"] == "no-store"
    everybody.post(f"{url}/test")
    send_all()
    assert receivers.is_signed(response.json()["secret"], *receiver.posted[0][1:])
    assert not receivers.is_signed(hook["secret"], *receiver.posted[0][1:])
    mail = everybody.post("notification-targets", MAIL).json()
    assert mail["secret"] == ""
    problem(everybody.post(f"notification-targets/{mail['target']['id']}/new-secret"), 404)


@succeeds("POST /notifications/{notification_id}/send-again")
@refuses("POST /notifications/{notification_id}/send-again")
def test_a_failed_notification_is_sent_again(everybody, hook, receiver):
    receiver.status = 500
    everybody.post(f"notification-targets/{hook['id']}/test")
    send_all()
    # The second value is deprecated.
    for state in ("failed", "given-up"):
        items = everybody.get(f"notifications?state={state}").json()["items"]
        assert [item["state"] for item in items] == ["failed"]
    url = f"notifications/{Delivery.objects.get().pk}/send-again"
    assert everybody.post(url).json()["state"] == DeliveryState.WAITING
    problem(everybody.post(url), 409)


MAIL_SERVER = {
    "host": "mail.acme.example",
    "sender": "zcc@acme.example",
    "username": "zcc",
    "password": "of the mail server",
}


@succeeds("PUT /mail-server", "GET /mail-server", "DELETE /mail-server")
@refuses("PUT /mail-server", "GET /mail-server", "DELETE /mail-server")
def test_the_mail_server_is_set_and_removed(everybody, zone):
    problem(everybody.get("mail-server"), 404)
    problem(everybody.put("mail-server", {**MAIL_SERVER, "port": 22}), 422)
    response = everybody.put("mail-server", MAIL_SERVER)
    assert response.status_code == 200, response.content
    shown = everybody.get("mail-server").json()
    assert shown == {
        **{name: MAIL_SERVER[name] for name in ("host", "sender", "username")},
        "port": 587,
        "security": "starttls",
    }
    assert everybody.delete("mail-server").status_code == 204
    problem(everybody.delete("mail-server"), 404)


@succeeds("POST /mail-server/test")
@refuses("POST /mail-server/test")
def test_the_mail_server_is_tested_with_a_message_to_the_user(everybody, mailbox, settings):
    problem(everybody.post("mail-server/test"), 409)
    assert mailbox.messages == []
    type(everybody.user).objects.update(email="everybody@acme.example")
    account_macs.stamp(everybody.user.pk)
    sent = everybody.post("mail-server/test")
    assert (sent.status_code, sent.json()) == (200, {"to": "everybody@acme.example"})
    assert mailbox.recipients == [["everybody@acme.example"]]
    mailbox.refuses = "550 not for you"
    assert "550" in problem(everybody.post("mail-server/test"), 409)["detail"]


@pytest.mark.parametrize(
    ("kind", "token"),
    [("slack", ""), ("teams", ""), ("mattermost", ""), ("ntfy", "tk_1"), ("pagerduty", "key")],
)
def test_a_target_of_a_service_has_no_secret_and_returns_no_token(everybody, receiver, kind, token):
    body = {"kind": kind, "name": kind, "events": EVENTS, "url": receiver.url, "token": token}
    created = everybody.post("notification-targets", body)
    assert created.status_code == 201, created.content
    assert created.json()["secret"] == ""
    shown = everybody.get(f"notification-targets/{created.json()['target']['id']}")
    assert (shown.json()["kind"], shown.json()["host"]) == (kind, "127.0.0.1")
    assert not token or token not in shown.content.decode()
