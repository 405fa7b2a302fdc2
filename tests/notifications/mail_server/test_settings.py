"""The mail server that is set in the console (D-233)."""

from typing import Any

import pytest
from django.utils import timezone

from administrators.protection import account_macs
from audit.models import Entry
from faults import Fault, Invalid
from notifications.channels import mail
from notifications.delivery import delivery
from notifications.mail_server import settings as mail_server
from notifications.mail_server.settings import MailServerSettings, save_mail_server
from notifications.models import MailServer
from tests.notifications.delivery.test_delivery import BLOCKED
from tests.support import factories
from tests.support.clients import log_in
from tests.support.deliveries import send_all

pytestmark = pytest.mark.django_db
PAGE = "/configuration/notifications/"
DIALOG = f"{PAGE}mail-server/"
PASSWORD = "a password of the mail host"
Security = MailServer.Security


@pytest.fixture(autouse=True)
def _smtp(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def client(zone):
    user = factories.user("herald", "notifications.manage")
    user.email = "herald@acme.example"
    user.save()
    account_macs.stamp(user.pk)
    return log_in(user)


def values(**changes):
    given = {
        "host": "mail.acme.example",
        "port": 587,
        "security": Security.STARTTLS,
        "sender": "zcc@acme.example",
        "username": "zcc",
        "secret": PASSWORD,
    }
    return {**given, **changes}


def save(**changes):
    return save_mail_server(MailServerSettings(**values(**changes)))


def connect() -> tuple[Any, str]:
    """Return the connection, as the SMTP backend has it, and the sender."""
    return mail_server.connect()


@pytest.fixture
def to_mailbox(zone, mailbox, monkeypatch, settings):
    """The mail server of the console is the mailbox. ZCC_SMTP_URL leads nowhere."""
    monkeypatch.setattr(mail_server, "PORTS", (settings.EMAIL_PORT,))
    found = save(
        host="127.0.0.1", port=settings.EMAIL_PORT, security="none", username="", secret=""
    )
    settings.EMAIL_HOST, settings.EMAIL_PORT = "", 1
    return found


def test_notifications_are_sent_with_the_mail_server_of_the_console(to_mailbox, post, mailbox):
    delivery.enqueue(BLOCKED, now=timezone.now())
    now = timezone.now()
    assert send_all(now) == [True]
    assert mailbox.messages[0]["From"] == "zcc@acme.example"
    assert mailbox.messages[0]["Subject"] == "[ZCC] Remint CA is blocked"


def test_the_button_sends_a_test_to_the_user(client, to_mailbox, mailbox):
    assert "127.0.0.1" in client.get(PAGE).content.decode()
    response = client.post(f"{DIALOG}test/", headers={"HX-Request": "true"})
    assert response.status_code == 204
    assert mailbox.recipients == [["herald@acme.example"]]
    assert Entry.objects.get(action="test-mail-server").note.startswith("Accepted")
    mailbox.refuses = "550 not for you"
    response = client.post(f"{DIALOG}test/", headers={"HX-Request": "true"})
    assert response.status_code == 409
    assert "550" in response.headers["HX-Trigger"]


def test_a_user_without_an_address_cannot_send_a_test(zone, to_mailbox, mailbox):
    other = log_in(factories.user("other", "notifications.manage"), htmx=True)
    assert other.post(f"{DIALOG}test/").status_code == 409
    assert mailbox.messages == []


def test_the_password_is_encrypted_and_never_shown(client):
    given = {**values(), "security": "starttls"}
    assert client.post(DIALOG, given).status_code == 302
    server = MailServer.objects.get()
    connection, sender = connect()
    assert (connection.host, connection.username, connection.password, sender) == (
        *("mail.acme.example", "zcc", PASSWORD, "zcc@acme.example"),
    )
    assert connection.use_tls
    for text in (
        server.encrypted,
        str(Entry.objects.get(action="set-mail-server").detail),
        client.get(PAGE).content.decode(),
        client.get(DIALOG).content.decode(),
    ):
        assert PASSWORD not in text


@pytest.mark.parametrize(
    "change",
    [{"host": "evil.example"}, {"port": 465}, {"security": Security.TLS}, {"username": "root"}],
)
def test_another_server_requires_the_password_again(zone, change):
    save()
    with pytest.raises(Invalid, match="password is missing") as caught:
        save(**change, secret="")
    assert caught.value.field == "secret"
    assert MailServer.objects.get().host == "mail.acme.example"
    save(sender="other@acme.example", secret="")
    assert connect()[0].password == PASSWORD


def test_a_row_that_was_changed_with_sql_does_not_get_the_password(zone):
    save()
    MailServer.objects.update(host="evil.example")
    with pytest.raises(Fault):
        mail_server.connect()
    assert not mail.send_message("Title", "Text", ["a@acme.example"])[0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": ""}, "host"),
        ({"host": "mail acme"}, "host"),
        ({"host": "mail\r\nX"}, "host"),
        ({"port": 22}, "port"),
        ({"security": "some"}, "security"),
        ({"security": Security.NONE}, "security"),
        ({"sender": "no address"}, "sender"),
        ({"username": "a\nb"}, "username"),
        ({"secret": "a\0b"}, "secret"),
    ],
)
def test_invalid_values_change_nothing(zone, change, field):
    with pytest.raises(Invalid) as caught:
        save(**change)
    assert caught.value.field == field
    assert not MailServer.objects.exists()


def test_an_invalid_value_is_shown_at_its_field(client):
    response = client.post(DIALOG, {**values(security="none"), "port": "587"})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["security"]


def test_a_change_requires_the_password_of_the_user_when_the_login_is_old(client):
    session = client.session
    session["authenticated_at"] = 0
    session.save()
    assert client.post(DIALOG, values(security="starttls")).status_code == 422
    assert client.post(f"{DIALOG}remove/").status_code == 422
    assert not MailServer.objects.exists()


def test_after_a_removal_the_server_of_the_settings_is_used(client, settings):
    settings.EMAIL_HOST = "from-the-url.example"
    save()
    assert client.post(f"{DIALOG}remove/").status_code == 302
    assert not MailServer.objects.exists()
    assert mail_server.connect()[1] == settings.DEFAULT_FROM_EMAIL
    assert mail_server.is_configured()
    settings.EMAIL_HOST = ""
    assert not mail_server.is_configured()
    assert client.post(f"{DIALOG}remove/").status_code == 404
