"""What a user prefers: time zone and columns (docs/decisions.md D-5)."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from console.models import Preferences
from tests.support import factories

pytestmark = pytest.mark.django_db
PAGE = "/preferences/"


@pytest.fixture
def client():
    factories.zone(time_zone="Asia/Tokyo")
    client = Client()
    client.force_login(factories.user())
    return client


def shown(client):
    factories.device("pc-1", registered_at=datetime(2026, 1, 1, 12, tzinfo=UTC))
    device = client.get("/devices/").context["page"].rows[0]
    return client.get(f"/devices/{device.pk}/").content.decode()


def test_without_a_choice_the_zone_decides(client):
    assert "1 Jan 2026, 21:00 JST" in shown(client)


def test_the_browser_goes_before_the_zone(client):
    client.cookies["tz"] = "Europe/Berlin"
    assert "1 Jan 2026, 13:00 CET" in shown(client)


def test_the_profile_goes_before_the_browser(client):
    client.cookies["tz"] = "Europe/Berlin"
    assert client.post(PAGE, {"time_zone": "America/New_York"}).status_code == 302
    assert "1 Jan 2026, 07:00 EST" in shown(client)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_rejected_and_ignored(client, name):
    assert client.post(PAGE, {"time_zone": name}).status_code == 422
    assert not Preferences.objects.exists()
    client.cookies["tz"] = name
    assert "JST" in shown(client)


def test_columns_are_kept_and_reset(client):
    there = "/preferences/columns/servers/"
    back = "/configuration/certificates/?q=a"
    response = client.post(there, {"column": ["md5", "sha1", "a b"], "next": back})
    assert response.url == back
    assert Preferences.objects.get().columns == {"servers": ["md5", "sha1"]}
    client.post(there, {"column": ["md5"], "reset": "1", "next": "https://evil.example/"})
    assert Preferences.objects.get().columns == {"servers": []}


def test_choosing_columns_never_leads_to_another_host(client):
    response = client.post("/preferences/columns/servers/", {"next": "https://evil.example/"})
    assert response.url == "/"
