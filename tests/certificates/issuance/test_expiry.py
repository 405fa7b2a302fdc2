"""Expiry warnings: at login once in 24 hours, below five days each time, and on the page (D-46)."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from certificates.issuance import expiry
from certificates.models import Authority
from console.models import Preferences
from devices.models import Device
from tests.certificates.clients import PAGE, entered
from tests.support import factories

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def ca():
    factories.zone()
    holder = factories.server("ps-01")
    authority = factories.authority(holder)
    factories.certificate(holder, authority)
    factories.certificate(factories.server("ps-02"), authority)
    return authority


def ends(days, name=""):
    """Let the zone CA, or a server's certificate, end in so many days and an hour."""
    at = factories.now() + days * DAY + HOUR
    if name:
        Device.objects.get(name=name).certificates.update(not_after=at)
    else:
        Authority.objects.update(not_after=at)


def texts(found=None):
    return [w.text for w in (expiry.warnings(factories.now()) if found is None else found)]


def test_nothing_is_told_while_nothing_ends_within_90_days(ca):
    ends(91)
    ends(91, "ps-01")
    assert texts() == []


def test_the_words_of_the_decision(ca):
    ends(17)
    assert texts() == ["The Zone CA will expire in 17 days."]
    ends(1)
    assert texts() == ["The Zone CA will expire in 1 day."]
    ends(-3)
    assert texts() == ["The Zone CA expired 2 days ago."]


def test_servers_are_told_by_name_or_by_number(ca):
    ends(17, "ps-01")
    assert texts() == ["The certificate of ps-01 will expire in 17 days."]
    ends(4, "ps-02")
    assert texts() == ["2 server certificates will expire within 90 days, that of ps-02 in 4 days."]
    ends(-3, "ps-01")
    assert texts() == [
        "The certificate of ps-01 expired 2 days ago.",
        "The certificate of ps-02 will expire in 4 days.",
    ]


def test_what_has_left_the_zone_is_not_told(ca):
    ends(4, "ps-02")
    Device.objects.filter(name="ps-02").update(state="unregistered")
    assert texts() == []


def test_once_in_24_hours_and_below_five_days_each_time(ca):
    admin, other, now = factories.admin(), factories.admin("other"), factories.now()
    ends(17)
    ends(4, "ps-01")
    both = [w.about for w in expiry.due(admin, now)]
    assert both == ["ca", "expiring"]
    assert [w.about for w in expiry.due(admin, now + HOUR)] == ["expiring"]
    assert [w.about for w in expiry.due(other, now + HOUR)] == both, "each administrator alone"
    assert [w.about for w in expiry.due(admin, now + 24 * HOUR)] == both


def test_nothing_is_remembered_while_nothing_is_told(ca):
    assert expiry.due(factories.admin(), factories.now()) == []
    assert not Preferences.objects.exists()


def log_in(client):
    sent = {"username": "admin", "password": factories.PASSWORD}
    return client.post("/login/", sent)


def told(client):
    return [str(message) for message in get_messages(client.get("/devices/").wsgi_request)]


def test_a_login_shows_it_on_the_next_page_and_a_look_at_a_page_does_not(ca):
    factories.admin()
    ends(17)
    client = Client()
    log_in(client)
    assert "The Zone CA will expire in 17 days." in client.get("/devices/").content.decode()
    assert "will expire" not in client.get("/devices/").content.decode()
    client.logout()
    log_in(client)
    assert "will expire" not in client.get("/devices/").content.decode(), "told an hour ago"


def test_a_login_that_fails_tells_nothing(ca):
    factories.admin()
    ends(4)
    client = Client()
    client.post("/login/", {"username": "admin", "password": "wrong"})
    assert not Preferences.objects.exists()


def test_the_server_pane_has_a_banner_that_leads_to_the_rows(ca):
    ends(17, "ps-01")
    page = entered(factories.admin(), htmx=False).get(PAGE).content.decode()
    assert "The certificate of ps-01 will expire in 17 days." in page
    assert f'href="{PAGE}?state=expiring"' in page


def test_the_banner_tells_when_a_renewal_begins_by_itself(ca):
    ends(40, "ps-01")
    client = entered(factories.admin(), htmx=False)
    assert "Renewal begins by itself, next for ps-01 at" in client.get(PAGE).content.decode()
    Authority.objects.update(kind=Authority.Kind.EXTERNAL)
    assert "Renewal begins" not in client.get(PAGE).content.decode()
