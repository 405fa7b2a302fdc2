"""The audit log on a real syslog server over TLS (RFC 5424, RFC 5425; D-205)."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.forwarding import forwarding, transport
from audit.forwarding.forwarding import ForwardingSettings
from audit.models import Checkpoint, Entry, SyslogServer
from faults import Invalid, Unavailable
from tests.support import factories
from tests.support.syslog_server import syslog_server

pytestmark = pytest.mark.django_db
HEADER = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<at>\S+) (?P<host>[!-~]{1,255}) zcc - (?P<id>[!-~]{1,32}) "
    r'(?P<data>-|(\[[!-~]{1,32}( [!-~]+="([^"\\\]]|\\["\\\]])*")*\])+) \ufeff(?P<text>\{.*\})'
)
URL = "/audit/forwarding/"


@pytest.fixture
def receiver():
    with syslog_server() as server:
        yield server


@pytest.fixture
def admin(zone):
    client = Client()
    client.force_login(factories.admin())
    session = client.session
    session["authenticated_at"] = timezone.now().timestamp()
    session.save()
    return client


def start(receiver, **values):
    settings = ForwardingSettings("localhost", receiver.port, receiver.root_pem, **values)
    return forwarding.save_settings(settings, now=timezone.now())


def read(message):
    found = HEADER.fullmatch(message)
    assert found is not None, message
    return found


def test_every_entry_is_received_once_in_order_with_its_digest(zone, receiver):
    start(receiver, with_existing=True)
    device = factories.device("pc-1")
    Entry.objects.record("release", f"devices.Device:{device.pk}", note='quotes " \\ ] Zürich')
    Entry.objects.record("denied", "GET /x")
    while forwarding.send_batch(timezone.now()):
        pass
    found = [read(message) for message in receiver.wait_for(Entry.objects.count())]
    values = [json.loads(one["text"]) for one in found]
    stored = list(Entry.objects.order_by("seq"))
    assert [one["seq"] for one in values] == [entry.seq for entry in stored]
    assert [one["digest"] for one in values] == [entry.digest for entry in stored]
    assert [one["at"] for one in found] == [one["at"] for one in values]
    by_action = {value["action"]: (one, value) for one, value in zip(found, values, strict=True)}
    one, value = by_action["release"]
    assert (one["priority"], one["id"]) == ("109", "release")
    assert value["sentence"] == "The system released device pc-1 for re-imaging."
    assert value["note"] == 'quotes " \\ ] Zürich'
    assert f'sequenceId="{value["seq"]}"' in one["data"]
    assert by_action["denied"][0]["priority"] == "108"
    assert not forwarding.is_due(timezone.now())


def test_only_new_entries_are_sent_by_default(zone, receiver):
    Entry.objects.record("test", "x:1")
    server = start(receiver)
    assert Entry.objects.latest("seq").action == "change-syslog"
    assert forwarding.count_pending(server) == 1
    assert forwarding.is_due(timezone.now())
    assert forwarding.send_batch(timezone.now()) == 1
    assert read(receiver.wait_for(1)[0])["id"] == "change-syslog"


def test_nothing_is_lost_while_the_server_is_away(zone):
    with syslog_server() as first:
        start(first)
        forwarding.send_batch(timezone.now())
        assert len(first.wait_for(1)) == 1
    Entry.objects.record("test", "x:1")
    now = timezone.now()
    assert forwarding.send_batch(now) == 0
    server = SyslogServer.objects.get()
    assert server.failures == 1
    assert server.failed_since == now
    assert "localhost" in server.problem
    Entry.objects.record("test", "x:2")
    assert not forwarding.is_due(now + timedelta(seconds=4))
    with syslog_server(port=first.port, like=first) as second:
        assert forwarding.is_due(now + timedelta(seconds=6))
        assert forwarding.send_batch(now + timedelta(seconds=6)) == 2
        values = [json.loads(read(message)["text"]) for message in second.wait_for(2)]
    assert [value["subject"] for value in values] == ["x:1", "x:2"]
    server = SyslogServer.objects.get()
    assert (server.failures, server.problem, server.failed_since) == (0, "", None)
    assert server.seq == Checkpoint.objects.get().seq


def test_a_batch_that_the_server_did_not_read_is_sent_again(zone):
    with syslog_server(aborts=True) as broken:
        start(broken)
        assert forwarding.send_batch(timezone.now()) == 0
    before = SyslogServer.objects.get()
    assert before.failures == 1
    with syslog_server(port=broken.port, like=broken) as working:
        assert forwarding.send_batch(timezone.now() + timedelta(minutes=1)) == 1
        assert len(working.wait_for(1)) == 1


@pytest.mark.parametrize("wrong", ["host", "root"])
def test_a_server_that_is_not_verified_receives_nothing(zone, receiver, wrong):
    host = "127.0.0.1" if wrong == "host" else "localhost"
    root = factories.root_pem("other", timezone.now(), timezone.now() + timedelta(days=9))
    settings = ForwardingSettings(host, receiver.port, root if wrong == "root" else "")
    if wrong == "host":
        settings = ForwardingSettings(host, receiver.port, receiver.root_pem)
    forwarding.save_settings(settings, now=timezone.now())
    assert forwarding.send_batch(timezone.now()) == 0
    assert "certificate is not valid" in SyslogServer.objects.get().problem
    with pytest.raises(Unavailable):
        forwarding.send_test(now=timezone.now())
    assert receiver.messages == []


def test_one_of_two_workers_sends(zone, receiver):
    start(receiver)
    now = timezone.now()
    SyslogServer.objects.update(due_at=now + forwarding.LEASE)
    assert not forwarding.is_due(now)
    assert forwarding.send_batch(now) == 0
    assert forwarding.send_batch(now + forwarding.LEASE) == 1


def test_a_change_of_the_server_during_a_batch_does_not_skip_entries(zone, receiver, monkeypatch):
    start(receiver)
    send = transport.send

    def change_then_send(*args):
        send(*args)
        SyslogServer.objects.update(revision=99, seq=0)

    monkeypatch.setattr(transport, "send", change_then_send)
    assert forwarding.send_batch(timezone.now()) == 0
    assert SyslogServer.objects.get().seq == 0


def test_all_entries_are_sent_again_after_a_restore(zone, receiver):
    start(receiver)
    SyslogServer.objects.update(digest="f" * 64)
    assert forwarding.send_batch(timezone.now()) == Entry.objects.count()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"host": "log host"}, "host"),
        ({"host": "https://log"}, "host"),
        ({"roots_pem": "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"}, "roots_pem"),
        ({"roots_pem": "text"}, "roots_pem"),
    ],
)
def test_settings_that_cannot_work_are_rejected(zone, values, field):
    settings = ForwardingSettings(**{"host": "log.acme.example", "port": 6514, **values})
    with pytest.raises(Invalid) as raised:
        forwarding.save_settings(settings, now=timezone.now())
    assert raised.value.field == field
    assert not SyslogServer.objects.exists()


def test_the_page_starts_tests_and_stops_forwarding(admin, receiver):
    values = {"host": "localhost", "port": receiver.port, "roots_pem": receiver.root_pem}
    assert admin.post(URL, {**values, "port": "0"}).status_code == 422
    assert admin.post(URL, values).status_code == 302
    entry = Entry.objects.latest("seq")
    assert (entry.action, entry.actor) == ("change-syslog", "admin")
    assert entry.detail["after"]["host"] == "localhost"
    page = admin.post(f"{URL}test/", follow=True).content.decode()
    assert f"localhost:{receiver.port} has received a test message." in page
    assert json.loads(read(receiver.wait_for(1)[0])["text"])["action"] == "test"
    SyslogServer.objects.update(problem="It is away.", failed_since=timezone.now())
    assert "It is away." in admin.get(URL).content.decode()
    assert admin.post(f"{URL}stop/").status_code == 302
    assert not SyslogServer.objects.exists()
    assert Entry.objects.latest("seq").action == "remove-syslog"


def test_a_failed_test_is_shown_with_its_reason(admin, receiver):
    forwarding.save_settings(ForwardingSettings("localhost", receiver.port), now=timezone.now())
    page = admin.post(f"{URL}test/", follow=True).content.decode()
    assert "certificate is not valid" in page
