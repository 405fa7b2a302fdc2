"""Configuration > Notifications (B-25; security rules S-30, S-88)."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from notifications.delivery import delivery, events
from notifications.delivery.events import Event
from notifications.models import Delivery, DeliveryState, Target
from notifications.targets import targets
from tests.notifications.conftest import EVERY
from tests.notifications.delivery.test_delivery import BLOCKED
from tests.support import factories
from tests.support.deliveries import send_all

pytestmark = pytest.mark.django_db
PAGE = "/configuration/notifications/"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def client(zone):
    client = Client()
    client.force_login(factories.user("herald", "notifications.manage"))
    session = client.session
    session["authenticated_at"] = timezone.now().timestamp()
    session.save()
    return client


def test_the_secret_of_a_webhook_is_shown_once_and_its_url_never(client, receiver):
    given = {"name": "pager", "url": receiver.url, "events": EVERY, "active": "on"}
    answer = client.post(f"{PAGE}create/webhook/", given)
    secret = SECRET.search(answer.content.decode())[0]
    assert answer.headers["Cache-Control"] == "no-store"
    target = Target.objects.get()
    for page in (PAGE, f"{PAGE}targets/{target.pk}/"):
        shown = client.get(page).content.decode()
        assert secret not in shown
        assert "of-the-url" not in shown
        assert "127.0.0.1" in shown


def test_an_internal_address_is_refused_beside_its_field(client):
    given = {"name": "evil", "url": "https://localhost/", "events": EVERY, "active": "on"}
    answer = client.post(f"{PAGE}create/webhook/", given)
    assert answer.status_code == 422
    assert b"internal address" in answer.content
    assert not Target.objects.exists()


def test_the_button_test_sends_and_the_history_tells(client, hook, receiver):
    assert client.post(f"{PAGE}targets/{hook.pk}/test/").status_code == 302
    send_all()
    assert b'"type": "test"' in receiver.posted[0][2]
    page = client.get(PAGE).content.decode()
    assert "Sent" in page.split('id="sent-pane"')[1]
    shown = client.get(f"{PAGE}sent/{Delivery.objects.get().pk}/").content.decode()
    assert "HTTP 204" in shown


def test_changing_a_webhook_without_url_keeps_url_and_secret(client, hook, receiver):
    given = {"name": "renamed", "events": [events.BLOCKED], "active": "on", "url": ""}
    assert client.post(f"{PAGE}targets/{hook.pk}/", given).status_code == 302
    delivery.enqueue(BLOCKED, now=timezone.now())
    assert send_all() == [True]
    line = Entry.objects.get(action="change-target")
    assert line.detail["before"]["name"] == "pager"
    assert line.detail["after"]["name"] == "renamed"


def test_a_new_secret_is_the_one_that_signs_from_then_on(client, hook, receiver):
    from tests.support import receivers

    answer = client.post(f"{PAGE}targets/{hook.pk}/secret/")
    secret = SECRET.search(answer.content.decode())[0]
    delivery.enqueue(BLOCKED, now=timezone.now())
    send_all()
    _path, headers, body = receiver.posted[0]
    assert receivers.is_signed(secret, headers, body)
    assert not receivers.is_signed(hook.secret, headers, body)


def test_removing_a_target_deletes_its_history(client, hook):
    delivery.enqueue(BLOCKED, now=timezone.now())
    assert client.post(f"{PAGE}targets/{hook.pk}/remove/").status_code == 302
    assert not Target.objects.exists()
    assert not Delivery.objects.exists()
    assert Entry.objects.get(action="remove-target").note == "pager"


def test_resend_is_offered_for_a_failed_notification(client, hook, receiver):
    receiver.status = 500
    targets.send_test(hook.pk, now=timezone.now())
    send_all()
    pk = Delivery.objects.get().pk
    assert "Send Again" in client.get(f"{PAGE}sent/{pk}/").content.decode()
    client.post(f"{PAGE}sent/{pk}/again/")
    assert Delivery.objects.get().state == DeliveryState.WAITING
    assert client.post(f"{PAGE}sent/{pk}/again/").status_code == 409


def test_the_password_is_asked_again_when_the_login_is_old(client, hook):
    session = client.session
    session["authenticated_at"] = 0
    session.save()
    for name in ("", "secret/", "remove/"):
        given = {"name": "x", "events": EVERY, "active": "on"}
        assert client.post(f"{PAGE}targets/{hook.pk}/{name}", given).status_code == 422


def test_two_targets_cannot_have_one_name(client, hook):
    given = {"name": "pager", "events": EVERY, "active": "on"}
    answer = client.post(f"{PAGE}create/mail/", given)
    assert answer.status_code == 422
    assert b"already" in answer.content


@pytest.mark.parametrize("given", [{"events": []}, {"recipients": "no address"}, {"name": ""}])
def test_an_invalid_email_target_is_rejected(client, given):
    whole = {"name": "team", "events": EVERY, "active": "on", **given}
    assert client.post(f"{PAGE}create/mail/", whole).status_code == 422
    assert not Target.objects.exists()


def test_what_others_wrote_is_shown_escaped(client, hook):
    evil = "<img src=x onerror=1>"
    delivery.enqueue(Event(events.BLOCKED, "k", evil, evil), now=timezone.now())
    pk = Delivery.objects.get().pk
    for page in (PAGE, f"{PAGE}sent/{pk}/"):
        shown = client.get(page).content.decode()
        assert evil not in shown
        assert "&lt;img" in shown
