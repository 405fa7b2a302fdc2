"""Chat and paging services: what each receives, and its token (D-231)."""

import json
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Entry
from faults import Invalid, Refused
from notifications.channels import services, webhook
from notifications.delivery import delivery, events
from notifications.delivery.events import Event
from notifications.models import Delivery, Target
from notifications.targets import targets
from tests.support import factories
from tests.support.clients import log_in
from tests.support.deliveries import send_all

pytestmark = pytest.mark.django_db
Kind = Target.Kind
PAGE = "/configuration/notifications/"
EVENT = Event(
    events.BLOCKED, "line:7", "Remint CA <@all> [x](y) is blocked", "Reason: none\nhttps://z/a_b"
)


@pytest.fixture
def made(zone, receiver):
    """Create a target of a kind that sends to the receiver."""

    def make(kind, path="/hook", **values):
        url = receiver.url.rpartition("/hook")[0] + path
        settings = targets.TargetSettings("target", [events.BLOCKED], url=url, **values)
        return targets.create_target(kind, settings)[0]

    return make


def send(event=EVENT):
    now = timezone.now()
    delivery.enqueue(event, now=now)
    return send_all(now)


def received(receiver):
    ((path, headers, body),) = receiver.posted
    return path, headers, json.loads(body)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            Kind.SLACK,
            "*[ZCC] Remint CA &lt;@all&gt; [x](y) is blocked*\nReason: none\nhttps://z/a_b",
        ),
        (
            Kind.MATTERMOST,
            "**[ZCC] Remint CA <@\u200ball> \\[x](y) is blocked**\n\nReason: none\nhttps://z/a_b",
        ),
    ],
)
def test_slack_and_mattermost_receive_text_without_mentions(made, receiver, kind, text):
    made(kind)
    assert send() == [True]
    path, headers, body = received(receiver)
    assert path == "/hook"
    assert body == {"text": text}
    assert headers["content-type"] == "application/json"
    assert "webhook-signature" not in headers


def test_teams_receives_an_adaptive_card(made, receiver):
    made(Kind.TEAMS)
    assert send() == [True]
    (attachment,) = received(receiver)[2]["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    title, text = (block["text"] for block in attachment["content"]["body"])
    assert title == "[ZCC] Remint CA <@\u200ball> \\[x](y) is blocked"
    assert text == "Reason: none\n\nhttps://z/a_b"


@pytest.mark.parametrize("token", ["", "tk_secret"])
def test_ntfy_receives_the_topic_of_the_url_and_the_token(made, receiver, token):
    made(Kind.NTFY, "/sub/alarms", token=token)
    assert send() == [True]
    path, headers, body = received(receiver)
    assert path == "/sub/"
    assert (body["topic"], body["message"], body["priority"]) == ("alarms", EVENT.text, 5)
    assert headers.get("authorization") == (f"Bearer {token}" if token else None)


@pytest.mark.parametrize(
    ("event", "severity"),
    [(events.BLOCKED, "critical"), (events.FAILED, "error"), (events.COMPLETED, "info")],
)
def test_pagerduty_receives_an_event_with_its_severity(made, receiver, event, severity):
    target = made(Kind.PAGERDUTY, token="key-of-32")
    targets.update_target(target.pk, targets.TargetSettings("target", [event]))
    assert send(Event(event, "line:9", "Title", "Text")) == [True]
    body = received(receiver)[2]
    assert (body["routing_key"], body["event_action"]) == ("key-of-32", "trigger")
    assert body["dedup_key"] == "zcc:line:9"
    assert body["payload"]["severity"] == severity
    assert body["payload"]["summary"] == "[ZCC] Title"


def test_a_text_is_cut_to_what_services_accept(made, receiver):
    made(Kind.NTFY, "/topic")
    send(Event(events.BLOCKED, "k", "t" * 250, "ä" * 9000))
    body = received(receiver)[2]
    assert len(body["message"]) == services.MAX_TEXT


@pytest.mark.parametrize("kind", services.SERVICES)
def test_no_service_is_reached_at_an_internal_address(zone, kind):
    settings = targets.TargetSettings("x", [events.BLOCKED], url="https://localhost/t", token="k")
    with pytest.raises(Refused, match="internal address"):
        targets.create_target(kind, settings)
    assert not Target.objects.exists()


def test_a_name_that_turns_to_an_internal_address_later_is_rejected(made, receiver, settings):
    made(Kind.SLACK)
    settings.WEBHOOK_NETWORKS = []
    assert send() == [False]
    assert receiver.posted == []


@pytest.mark.parametrize("kind", services.WITH_TOKEN)
def test_a_token_is_sent_only_to_the_url_with_which_it_was_entered(made, receiver, kind):
    target = made(kind, "/topic", token="first")
    values: dict[str, Any] = {"name": "target", "events": [events.BLOCKED]}
    targets.update_target(target.pk, targets.TargetSettings(**values))
    assert webhook.decrypt_target(Target.objects.get())[1] == "first"
    elsewhere = targets.TargetSettings(**values, url=receiver.url.replace("hook", "other"))
    if kind == Kind.PAGERDUTY:
        with pytest.raises(Invalid, match="integration key is missing"):
            targets.update_target(target.pk, elsewhere)
    else:
        targets.update_target(target.pk, elsewhere)
        assert webhook.decrypt_target(Target.objects.get())[1] == ""
    targets.update_target(target.pk, targets.TargetSettings(**values, token="second"))
    assert webhook.decrypt_target(Target.objects.get())[1] == "second"


@pytest.mark.parametrize(
    ("kind", "path", "token", "field"),
    [
        (Kind.PAGERDUTY, "/hook", "", "token"),
        (Kind.NTFY, "/", "", "url"),
        (Kind.NTFY, "/topic", "ä", "token"),
        (Kind.NTFY, "/topic", "a\nHost: b", "token"),
    ],
)
def test_what_a_service_needs_is_required(made, kind, path, token, field):
    with pytest.raises(Invalid) as caught:
        made(kind, path, token=token)
    assert caught.value.field == field
    assert not Target.objects.exists()


@pytest.mark.parametrize("kind", services.SERVICES)
def test_url_and_token_are_encrypted_and_never_shown(zone, receiver, kind):
    client = log_in(factories.user("herald", "notifications.manage"))
    page = client.get(f"{PAGE}create/{kind.value}/").content.decode()
    assert ('name="token"' in page) == (kind in services.WITH_TOKEN)
    given = {"name": "on call", "url": receiver.url, "events": [events.BLOCKED], "active": "on"}
    response = client.post(f"{PAGE}create/{kind.value}/", {**given, "token": "my-token"})
    assert response.status_code == 302
    target = Target.objects.get()
    assert target.kind == kind
    for text in (
        client.get(PAGE).content.decode(),
        client.get(f"{PAGE}targets/{target.pk}/").content.decode(),
        str(Target.objects.values().get()),
        str(Entry.objects.get(action="create-target").detail),
    ):
        assert "of-the-url" not in text
        assert "my-token" not in text
    assert "127.0.0.1" in client.get(PAGE).content.decode()
    assert send() == [True]
    assert Delivery.objects.get().tries.get().answer == "HTTP 204"
