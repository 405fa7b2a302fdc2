"""The calendar of expirations: its events, RFC 5545, and who gets it (D-232)."""

import base64
from datetime import timedelta

import pytest
from django.test import Client

from administrators.api_tokens import tokens
from audit.models import Entry
from certificates.models import Authority
from certificates.monitoring.calendar.icalendar import Event, build_calendar
from devices.models import Device
from tests.support import factories

CALENDAR = "/api/v1/expirations.ics"
NOW = factories.now()


def unfold(text):
    """Return the lines of a calendar as a program reads them."""
    assert text.endswith("\r\n")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    return text.replace("\r\n ", "").split("\r\n")[:-1]


def event(**changes):
    values = {
        "uid": "1@zone",
        "at": NOW,
        "changed_at": NOW,
        "title": "ps-01 expires",
        "text": "text",
        "url": "https://console/",
        "remind_before": timedelta(days=14),
    }
    return Event(**{**values, **changes})


def test_values_are_escaped_and_add_no_lines():
    lines = unfold(build_calendar("a;b", [event(title="A, B; C\\\r\nEND:VEVENT\x00\x07")]))
    assert "X-WR-CALNAME:a\\;b" in lines
    assert lines.count("SUMMARY:A\\, B\\; C\\\\\\nEND:VEVENT") == 1
    assert lines.count("END:VEVENT") == 1


@pytest.mark.parametrize("text", ["x" * 300, "ä" * 200, "日本" * 100, "🔑" * 90])
def test_long_lines_are_folded_between_characters(text):
    lines = unfold(build_calendar("zone", [event(text=text)]))
    assert f"DESCRIPTION:{text}" in lines


def test_an_event_has_what_calendar_programs_require():
    lines = unfold(build_calendar("zone", [event(remind_before=timedelta(days=90))]))
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert f"DTSTART:{NOW:%Y%m%dT%H%M%SZ}" in lines
    assert "TRIGGER:-P90D" in lines
    assert [line for line in lines if line.startswith("BEGIN:")] == [
        *("BEGIN:VCALENDAR", "BEGIN:VEVENT", "BEGIN:VALARM"),
    ]


@pytest.fixture
def scene(ca):
    factories.certificate(factories.server("ps-02"), ca, until=NOW + timedelta(days=30))
    factories.certificate(factories.server("gone"), ca, until=NOW + timedelta(days=30))
    factories.certificate(factories.server("old"), ca, until=NOW - timedelta(days=1))
    Device.objects.filter(name="gone").update(state="unregistered")
    factories.operation(ca, name="Remint CA in May", activates_in=timedelta(days=3))
    return ca


def read(client, **headers):
    response = client.get(CALENDAR, headers=headers)
    return response, response.content.decode()


@pytest.mark.django_db
def test_expirations_and_activations_are_listed(scene):
    client = Client()
    client.force_login(factories.user("reader"))
    response, text = read(client)
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    lines = unfold(text)
    titles = [line.removeprefix("SUMMARY:") for line in lines if line.startswith("SUMMARY:")]
    assert titles == [
        "The CA TEST-ZONE expires",
        "The certificate for ps-02 expires",
        "The certificate for ps-01 expires",
        "Activation: Remint CA in May",
    ]
    assert f"DTSTART:{Authority.objects.get().not_after:%Y%m%dT%H%M%SZ}" in lines
    assert "URL:http://testserver/configuration/certificates/?q=ps-02" in lines


@pytest.mark.django_db
def test_a_new_certificate_moves_the_event_of_its_server(scene):
    client = Client()
    client.force_login(factories.user("reader"))

    def uids():
        return {line for line in unfold(read(client)[1]) if line.startswith("UID:")}

    before = uids()
    server = Device.objects.get(name="ps-02")
    server.certificates.update(superseded_at=NOW)
    factories.certificate(server, scene, until=NOW + timedelta(days=300))
    assert uids() == before


@pytest.fixture
def token(scene):
    return tokens.create_token(factories.user("reader"), "mail", rights=[], expires_at=None)[1]


def basic(text):
    return "Basic " + base64.b64encode(f"anyone:{text}".encode()).decode()


@pytest.mark.django_db
def test_a_calendar_program_sends_an_api_token_as_password(token):
    for header in (basic(token), f"Bearer {token}"):
        assert read(Client(), Authorization=header)[0].status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header", [None, "Basic !!", "Basic eA==", basic("zcct_wrong"), "Bearer x"]
)
def test_nobody_else_gets_the_calendar(scene, header):
    response, text = read(Client(), **({"Authorization": header} if header else {}))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert "ps-01" not in text


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/devices", "/api/v1/expirations.ics/", "/metrics"])
def test_basic_authentication_is_accepted_for_the_calendar_only(token, path):
    response = Client().get(path, headers={"Authorization": basic(token)})
    assert response.status_code in (401, 404)
    assert not response.headers.get("WWW-Authenticate", "").startswith("Basic")
    entries = Entry.objects.count()
    post = Client().post(CALENDAR, headers={"Authorization": basic(token)})
    assert post.status_code == 405
    assert Entry.objects.count() == entries
