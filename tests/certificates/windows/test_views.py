"""The page Maintenance Windows, its dialogs, and the activation time in other dialogs."""

from datetime import timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from audit.models import Entry
from certificates.models import ChangeFreeze, MaintenanceWindow, Operation
from certificates.windows import settings
from certificates.windows.settings import FreezeSettings
from tests.certificates.clients import entered, events, local
from tests.support import factories

pytestmark = pytest.mark.django_db
PAGE = "/configuration/maintenance-windows/"
CA_PAGE = "/configuration/certificates/"
CA, ZONE = "certificates.certificate_authority", "devices.change_zone"


@pytest.fixture(autouse=True)
def zone_with_ca(monkeypatch):
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _operation: None)
    factories.zone(time_zone="Europe/Berlin")
    holder = factories.server("ps-01")
    return factories.certificate(holder, factories.authority(holder))


@pytest.fixture
def client():
    return entered(factories.user("operator", ZONE))


def frozen(days=2):
    begins = factories.now() - timedelta(minutes=1)
    values = FreezeSettings(begins, begins + timedelta(days=days), "Holidays")
    return settings.save_freeze(values, now=begins)


def text(response):
    return response.content.decode()


def test_the_page_says_that_every_time_is_open(client):
    page = text(client.get(PAGE))
    assert "No maintenance windows" in page
    assert "No change freezes" in page
    assert "Certificates can be activated now" not in page
    assert "Europe/Berlin" in page


def test_the_page_shows_windows_freezes_and_the_next_opening(client):
    settings.save_window("Night", factories.EVERY_DAY)
    frozen()
    page = text(client.get(PAGE))
    assert "Certificates cannot be activated now." in page
    assert "The change freeze “Holidays” is in force." in page
    assert "RRULE:FREQ=DAILY" in page
    assert "Next:" in page


def test_an_open_window_is_shown_with_its_end(client):
    settings.save_window("All", factories.EVERY_DAY.replace("PT1H", "PT24H"))
    page = text(client.get(PAGE))
    assert "Certificates can be activated now." in page
    assert "Until:" in page


def test_without_the_right_nothing_can_be_changed():
    settings.save_window("Night", factories.EVERY_DAY)
    client = entered(factories.user("viewer"))
    page = text(client.get(PAGE))
    assert "Night" in page
    assert "/remove/" not in page
    assert client.get(f"{PAGE}new/").status_code == 403
    assert client.post(f"{PAGE}freezes/new/", {}).status_code == 403


def test_a_weekly_window_over_midnight_is_created_and_shown_again(client):
    values = {"name": "Night", "days": ["SU", "SA"], "opens": "22:00", "closes": "04:00"}
    response = client.post(f"{PAGE}new/", values)
    assert response.status_code == 204
    assert "has been saved" in events(response)["zcc:announce"]["text"]
    window = MaintenanceWindow.objects.get()
    assert window.rule.endswith("T220000\nDURATION:PT6H\nRRULE:FREQ=WEEKLY;BYDAY=SA,SU")
    dialog = text(client.get(f"{PAGE}{window.pk}/"))
    assert 'value="22:00"' in dialog
    assert 'value="04:00"' in dialog
    assert dialog.count("checked") == 2
    values |= {"name": "Day", "closes": "22:00"}
    client.post(f"{PAGE}{window.pk}/", values)
    window.refresh_from_db()
    assert (window.name, "DURATION:PT24H" in window.rule) == ("Day", True)


def test_a_window_with_a_rule_is_created_and_shown_again(client):
    rule = factories.EVERY_DAY.replace("DAILY", "MONTHLY;BYDAY=1SA")
    assert client.post(f"{PAGE}new/", {"name": "Monthly", "rule": rule}).status_code == 204
    window = MaintenanceWindow.objects.get()
    assert window.rule == rule
    assert "FREQ=MONTHLY;BYDAY=1SA" in text(client.get(f"{PAGE}{window.pk}/"))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": "Night"}, "This field is required without a rule."),
        ({"name": "Night", "days": ["SA"], "opens": "22:00"}, "required without a rule."),
        ({"name": "Night", "days": ["XX"], "opens": "22:00", "closes": "04:00"}, "valid choice"),
        ({"name": "Night", "days": ["SA"], "rule": "x"}, "Enter either days and times, or a rule."),
        ({"name": "Night", "rule": "x"}, "The rule does not have the lines"),
        ({"days": ["SA"], "opens": "22:00", "closes": "04:00"}, "This field is required."),
        ({"name": "n", "days": ["SA"], "opens": "22:00", "closes": "22:05"}, "from 15 minutes"),
    ],
)
def test_bad_input_of_a_window_is_named(client, values, error):
    response = client.post(f"{PAGE}new/", values)
    assert response.status_code == 422
    assert error in text(response)
    assert not MaintenanceWindow.objects.exists()


def test_a_freeze_is_created_changed_and_removed(client):
    values = {"reason": "Holidays", "begins_at": local(days=1), "ends_at": local(days=9)}
    assert client.post(f"{PAGE}freezes/new/", values).status_code == 204
    freeze = ChangeFreeze.objects.get()
    assert freeze.ends_at - freeze.begins_at == timedelta(days=8)
    dialog = text(client.get(f"{PAGE}freezes/{freeze.pk}/"))
    assert "Holidays" in dialog
    bad = client.post(f"{PAGE}freezes/{freeze.pk}/", {**values, "ends_at": local(hours=1)})
    assert bad.status_code == 422
    assert "The end is not later than the beginning" in text(bad)
    assert "keep their new time" in text(client.get(f"{PAGE}freezes/{freeze.pk}/remove/"))
    assert client.post(f"{PAGE}freezes/{freeze.pk}/remove/").status_code == 204
    assert not ChangeFreeze.objects.exists()


def test_a_window_is_removed_after_a_confirmation(client):
    window = settings.save_window("Night", factories.EVERY_DAY)
    assert "at any time" in text(client.get(f"{PAGE}{window.pk}/remove/"))
    assert MaintenanceWindow.objects.exists()
    assert client.post(f"{PAGE}{window.pk}/remove/").status_code == 204
    assert not MaintenanceWindow.objects.exists()


def remint(client, at, **more):
    values = {"confirm": "on", "common_name": "NEXT", "key_length": "256", "years": "10"}
    values |= {"activates_at": at, "key": str(uuid4()), **more}
    return client.post(f"{CA_PAGE}remint-ca/", values)


def test_the_dialog_has_no_field_for_a_reason_unless_it_is_needed():
    client = entered(factories.user("both", CA, ZONE))
    assert "window_override" not in text(client.get(f"{CA_PAGE}remint-ca/"))
    frozen()
    assert "window_override" not in text(client.get(f"{CA_PAGE}remint-ca/"))


def test_the_dialog_suggests_the_end_of_the_freeze():
    freeze = frozen()
    client = entered(factories.user("both", CA))
    at = (freeze.ends_at + timedelta(seconds=59)).astimezone(ZoneInfo("Europe/Berlin"))
    shown = f"{at:%Y-%m-%dT%H:%M}"
    assert f'value="{shown}"' in text(client.get(f"{CA_PAGE}remint-ca/"))


def test_a_time_in_a_freeze_needs_a_reason():
    frozen()
    client = entered(factories.user("both", CA, ZONE))
    response = remint(client, local(hours=5))
    assert response.status_code == 422
    assert "The change freeze “Holidays” is in force" in text(response)
    assert 'name="window_override"' in text(response)
    assert not Operation.objects.exists()
    response = remint(client, local(hours=5), window_override=" The CA is compromised. ")
    assert response.status_code == 204, text(response)
    assert Entry.objects.get(action="override-window").note == "The CA is compromised."


def test_without_the_right_a_reason_does_not_help():
    frozen()
    client = entered(factories.user("ca", CA))
    response = remint(client, local(hours=5), window_override="The CA is compromised.")
    assert response.status_code == 422
    assert 'name="window_override"' not in text(response)
    assert not Operation.objects.exists()


def test_the_page_of_an_operation_shows_the_reason():
    frozen()
    client = entered(factories.user("both", CA, ZONE))
    remint(client, local(hours=5), window_override="The CA is compromised.")
    page = text(client.get(f"{CA_PAGE}operations/{Operation.objects.get().pk}/"))
    assert "may be activated outside the maintenance windows" in page
    assert "The CA is compromised." in page


def test_home_shows_why_an_activation_was_moved():
    client = entered(factories.user("both", CA))
    remint(client, local(hours=5))
    Operation.objects.update(reason="The activation was moved.", state="assigned")
    assert "The activation was moved." in text(client.get("/"))
