"""Expiration warnings: at login every 24 hours, below five days at each login, and on the page."""

from datetime import timedelta

import pytest
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
def ca(ca):
    factories.certificate(factories.server("ps-02"), ca)
    return ca


def ends(days, name=""):
    """Set the expiration of the zone CA or of a server certificate, in days plus an hour."""
    at = factories.now() + days * DAY + HOUR
    if name:
        Device.objects.get(name=name).certificates.update(not_after=at)
    else:
        Authority.objects.update(not_after=at)


def texts(found=None):
    return [w.text for w in (expiry.list_warnings(factories.now()) if found is None else found)]


def test_there_is_no_warning_if_nothing_expires_within_90_days(ca):
    ends(91)
    ends(91, "ps-01")
    assert texts() == []


@pytest.mark.manual("R015")
def test_warnings_about_the_zone_ca(ca):
    ends(17)
    assert texts() == ["The zone CA expires in 17 days."]
    ends(1)
    assert texts() == ["The zone CA expires in 1 day."]
    ends(-3)
    assert texts() == ["The zone CA expired 2 days ago."]


@pytest.mark.manual("R015")
def test_warnings_about_servers_name_one_server(ca):
    ends(17, "ps-01")
    assert texts() == ["The certificate for ps-01 expires in 17 days."]
    ends(4, "ps-02")
    assert texts() == [
        "2 server certificates will expire within 90 days. The first, for ps-02, expires in 4 days."
    ]
    ends(-3, "ps-01")
    assert texts() == [
        "The certificate for ps-01 expired 2 days ago.",
        "The certificate for ps-02 expires in 4 days.",
    ]


def test_there_is_no_warning_about_unregistered_servers(ca):
    ends(4, "ps-02")
    Device.objects.filter(name="ps-02").update(state="unregistered")
    assert texts() == []


@pytest.mark.manual("R015")
def test_warnings_are_shown_every_24_hours_and_urgent_ones_at_each_login(ca):
    admin, other, now = factories.admin(), factories.admin("other"), factories.now()
    ends(17)
    ends(4, "ps-01")
    both = [w.about for w in expiry.list_warnings_for_login(admin, now)]
    assert both == ["ca", "expiring"]
    assert [w.about for w in expiry.list_warnings_for_login(admin, now + HOUR)] == ["expiring"]
    assert [w.about for w in expiry.list_warnings_for_login(other, now + HOUR)] == both, (
        "each administrator alone"
    )
    assert [w.about for w in expiry.list_warnings_for_login(admin, now + 24 * HOUR)] == both


def test_the_time_of_a_warning_is_not_stored_without_a_warning(ca):
    assert expiry.list_warnings_for_login(factories.admin(), factories.now()) == []
    assert not Preferences.objects.exists()


def log_in(client):
    sent = {"username": "admin", "password": factories.PASSWORD}
    return client.post("/login/", sent)


def test_a_warning_is_shown_on_the_first_page_after_login(ca):
    factories.admin()
    ends(17)
    client = Client()
    log_in(client)
    assert "The zone CA expires in 17 days." in client.get("/devices/").content.decode()
    assert "The zone CA expires" not in client.get("/devices/").content.decode()
    client.logout()
    log_in(client)
    assert "The zone CA expires" not in client.get("/devices/").content.decode(), "shown recently"


def test_a_failed_login_does_not_show_warnings(ca):
    factories.admin()
    ends(4)
    client = Client()
    client.post("/login/", {"username": "admin", "password": "wrong"})
    assert not Preferences.objects.exists()


def test_the_server_pane_has_a_banner_with_a_link_to_the_rows(ca):
    ends(17, "ps-01")
    page = entered(factories.admin(), htmx=False).get(PAGE).content.decode()
    assert "The certificate for ps-01 expires in 17 days." in page
    assert f'href="{PAGE}?state=expiring"' in page


def test_the_banner_shows_the_time_of_the_next_automatic_renewal(ca):
    ends(40, "ps-01")
    client = entered(factories.admin(), htmx=False)
    assert "Next automatic renewal: ps-01 on" in client.get(PAGE).content.decode()
    Authority.objects.update(kind=Authority.Kind.EXTERNAL)
    assert "Next automatic renewal" not in client.get(PAGE).content.decode()
