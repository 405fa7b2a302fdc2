"""The queue of notifications: sent once, tried again, given up, with its history (B-25)."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from audit.models import Entry
from notifications.channels import webhook
from notifications.delivery import delivery as notifications_delivery
from notifications.delivery import events
from notifications.delivery.events import Event
from notifications.models import Attempt, Delivery, DeliveryState, Target
from notifications.targets import targets
from tests.notifications.conftest import EVERY
from tests.support import factories, receivers
from tests.support.deliveries import send_all

pytestmark = pytest.mark.django_db
CA = "certificates.certificate_authority"
BLOCKED = Event(
    events.BLOCKED, "line:7", "Remint CA is blocked", "Reason: nobody\n\nhttps://x", {"a": 1}
)


def test_a_webhook_receives_a_signed_notification(hook, receiver):
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    assert send_all() == [True]
    path, headers, body = receiver.posted[0]
    assert path == "/hook?key=of-the-url"
    assert receivers.is_signed(hook.secret, headers, body)
    assert not receivers.is_signed(webhook.new_secret(), headers, body)
    assert headers["webhook-id"] == str(Delivery.objects.get().pk)
    value = json.loads(body)
    assert value["type"] == "operation.blocked"
    assert value["data"]["a"] == 1
    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.SENT
    assert [tried.answer for tried in delivery.tries.all()] == ["HTTP 204"]


def test_mail_goes_out_to_everybody_named(post, mailbox):
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    assert send_all() == [True]
    message = mailbox.messages[0]
    assert message["Subject"] == "[ZCC] Remint CA is blocked"
    assert "Reason: nobody" in message.get_content()
    assert message["Auto-Submitted"] == "auto-generated"
    assert str(Delivery.objects.get().pk) in message["Message-ID"]
    assert mailbox.recipients == [["team@acme.example", "night@acme.example"]]


def test_without_addresses_mail_goes_to_those_who_may_act_on_the_ca(zone, mailbox):
    for name, right in (("ann", CA), ("bob", "ledger.view_entry"), ("eve", CA)):
        user = factories.user(name, right)
        user.email, user.is_active = f"{name}@acme.example", name != "eve"
        user.save()
    targets.create_target(Target.Kind.MAIL, targets.TargetSettings("administrators", EVERY))
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    assert send_all() == [True]
    assert mailbox.recipients == [["ann@acme.example"]]


def test_a_line_break_in_a_name_adds_no_header(post, mailbox):
    event = Event(events.BLOCKED, "k", "Evil\r\nBcc: spy@evil.example", "text")
    notifications_delivery.enqueue(event, now=timezone.now())
    assert send_all() == [True]
    assert mailbox.messages[0]["Subject"] == "[ZCC] Evil Bcc: spy@evil.example"
    assert mailbox.messages[0]["Bcc"] is None


def test_the_same_event_is_queued_once_for_each_target(hook, post):
    for _ in range(3):
        notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    assert Delivery.objects.count() == 2


def test_only_what_a_target_asks_for_is_queued(hook):
    targets.update_target(hook.pk, targets.TargetSettings("pager", [events.COMPLETED]))
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    assert not Delivery.objects.exists()


def test_a_failure_is_tried_again_later_and_longer_each_time(hook, receiver):
    receiver.status = 500
    now = timezone.now()
    notifications_delivery.enqueue(BLOCKED, now=now)
    waits = []
    for _ in range(len(notifications_delivery.RETRY_DELAYS)):
        assert send_all(now) == [False]
        assert notifications_delivery.list_due(now) == []
        later = Delivery.objects.get().due_at
        waits.append(later - now)
        now = later
    assert waits == list(notifications_delivery.RETRY_DELAYS)
    assert send_all(now) == [False]
    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.FAILED
    assert (
        Attempt.objects.filter(answer="HTTP 500").count()
        == len(notifications_delivery.RETRY_DELAYS) + 1
    )
    assert len({headers["webhook-id"] for _, headers, _ in receiver.posted}) == 1


def test_a_failed_notification_can_be_sent_again(hook, receiver):
    test_a_failure_is_tried_again_later_and_longer_each_time(hook, receiver)
    receiver.status = 200
    notifications_delivery.resend(Delivery.objects.get().pk, now=timezone.now())
    assert send_all() == [True]


def test_two_concurrent_workers_send_a_notification_once(hook, receiver):
    now = timezone.now()
    notifications_delivery.enqueue(BLOCKED, now=now)
    pk = notifications_delivery.list_due(now)[0]
    Delivery.objects.filter(pk=pk).update(due_at=now + notifications_delivery.SEND_LEASE)
    assert notifications_delivery.send(pk, now=now) is False
    assert receiver.posted == []


def test_a_worker_that_dies_while_sending_loses_nothing(hook, receiver, monkeypatch):
    now = timezone.now()
    notifications_delivery.enqueue(BLOCKED, now=now)

    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(webhook, "send", die)
    with pytest.raises(KeyboardInterrupt):
        send_all(now)
    monkeypatch.undo()
    assert send_all(now + notifications_delivery.SEND_LEASE - timedelta(seconds=1)) == []
    assert send_all(now + notifications_delivery.SEND_LEASE) == [True]


def test_a_paused_target_waits(hook, receiver):
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    targets.update_target(hook.pk, targets.TargetSettings("pager", EVERY, active=False))
    assert send_all() == []
    targets.update_target(hook.pk, targets.TargetSettings("pager", EVERY))
    assert send_all() == [True]


def test_a_mail_server_that_refuses_is_told_in_the_history(post, mailbox):
    mailbox.refuses = "554 no relaying here"
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    assert send_all() == [False]
    assert "no relaying here" in Attempt.objects.get().answer


def test_an_unreachable_host_is_reported_without_the_url(hook, receiver):
    receiver.shutdown()
    receiver.server_close()
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    assert send_all() == [False]
    answer = Attempt.objects.get().answer
    assert answer == "The connection was refused."


def test_url_and_secret_are_encrypted_and_bound_to_their_target(hook):
    kept = str(list(Target.objects.values()) + list(Entry.objects.values()))
    assert "of-the-url" not in kept
    assert hook.secret.removeprefix("whsec_") not in kept
    other = Target.objects.get(pk=hook.pk)
    other.binding = uuid4()
    with pytest.raises(Exception, match="cannot be decrypted"):
        webhook.decrypt_target(other)


def test_a_test_is_tried_once(hook, receiver):
    receiver.status = 404
    targets.send_test(hook.pk, now=timezone.now())
    assert send_all() == [False]
    assert Delivery.objects.get().state == DeliveryState.FAILED


def test_the_notification_history_is_deleted_after_90_days(hook):
    now = timezone.now()
    notifications_delivery.enqueue(BLOCKED, now=now)
    send_all(now)
    notifications_delivery.delete_old(now + notifications_delivery.RETENTION)
    assert Delivery.objects.exists()
    notifications_delivery.delete_old(now + notifications_delivery.RETENTION + timedelta(seconds=1))
    assert not Delivery.objects.exists()
