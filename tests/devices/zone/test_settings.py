"""Zone settings (D-48), content settings of a server (D-34), registration keys (S-50, S-54)."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.models import Entry
from console.pages import formatting
from devices.models import Device, RegistrationKey, Role, Zone
from devices.zone.settings import SETTINGS
from tests.support import factories
from wire import registration_key

pytestmark = pytest.mark.django_db
SETTINGS_PAGE = "/configuration/zone-settings/"
KEYS_PAGE = "/configuration/registration-keys/"


@pytest.fixture
def client():
    factories.zone(public_key="A" * 43 + "=")
    client = Client()
    client.force_login(factories.admin())
    session = client.session
    session["authenticated_at"] = factories.now().timestamp()
    session.save()
    return client


def filled(**changes):
    """What the page sends when an administrator changes some fields."""
    zone = Zone.objects.the()
    values = {one.name: getattr(zone, one.name) for one in SETTINGS}
    sent = {
        name: formatting.words(value) if name.endswith("_seconds") else value
        for name, value in values.items()
    }
    sent["renews_by_itself"] = "on"
    sent["lockout_seconds"] = "30 seconds"
    return {**sent, **changes}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90 s", 90), ("12 h", 43_200), ("3 days", 259_200), ("1 h 30 min", 5400), ("1w", 604_800)],
)
def test_a_duration_is_read_as_people_write_it(text, seconds):
    assert formatting.parse(text) == seconds
    assert formatting.parse(formatting.words(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "12", "h", "12 months", "3 days soon", "-1 h", "1.5 h"])
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match=r".*"):
        formatting.parse(text)


def test_every_setting_shows_its_range_and_default(client):
    page = client.get(SETTINGS_PAGE).content.decode()
    assert "From 1 second to 7 days. Default: 12 hours." in page
    assert "From 1 to 3650. Default: 365." in page
    for setting in SETTINGS:
        assert f'name="{setting.name}"' in page


def test_a_change_is_kept_heard_by_devices_and_recorded_before_and_after(client):
    before = Zone.objects.the()
    response = client.post(SETTINGS_PAGE, filled(refresh_seconds="2 hours"))
    assert response.status_code == 302
    after = Zone.objects.the()
    assert after.refresh_seconds == 7200
    assert after.revision == before.revision + 1, "cached answers are stale"
    entry = Entry.objects.get(action="zone-settings")
    assert entry.actor == "admin"
    assert entry.detail["refresh_seconds"] == {"before": 60, "after": 7200}
    assert set(entry.detail) == {"refresh_seconds", "lockout_seconds"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"refresh_seconds": "8 days"}, "refresh_seconds"),
        ({"refresh_seconds": "soon"}, "refresh_seconds"),
        ({"lockout_seconds": "1 hour", "lead_seconds": "1 hour"}, "lockout_seconds"),
        ({"renewal_days": 365}, "renewal_days"),
        ({"grace_seconds": "100 s"}, "grace_seconds"),
        ({"server_certificate_days": 3651}, "server_certificate_days"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
def test_what_is_out_of_range_or_does_not_fit_changes_nothing(client, changes, field):
    before = Zone.objects.values().get()
    response = client.post(SETTINGS_PAGE, filled(**changes))
    assert response.status_code == 422
    assert response.context["form"].errors[field]
    assert Zone.objects.values().get() == before
    assert not Entry.objects.exists()


def test_saving_the_same_again_leaves_no_trace(client):
    client.post(SETTINGS_PAGE, filled())
    client.post(SETTINGS_PAGE, filled())
    assert Entry.objects.filter(action="zone-settings").count() == 1


def test_a_content_server_may_follow_its_own_schedule(client):
    server = factories.server("cs-1", Role.CONTENT_SATELLITE)
    there = f"/devices/{server.pk}/settings/content/"
    sent = {"replication_seconds": "1 h", "bandwidth_kib": "256", "replicates": "on"}
    assert client.post(there, sent).status_code == 302
    server.refresh_from_db()
    zone = Zone.objects.the()
    assert server.replication_interval(zone) == timedelta(hours=1)
    assert server.bandwidth(zone) == 256 * 1024
    client.post(there, {"replicates": "on"})
    server.refresh_from_db()
    assert server.replication_interval(zone) == timedelta(minutes=5), "the zone's, for satellites"


def test_only_a_satellite_can_be_left_out(client):
    primary, satellite = factories.server("ps-1"), factories.server("cs-1", Role.CONTENT_SATELLITE)
    for server in (primary, satellite):
        client.post(f"/devices/{server.pk}/settings/content/", {})
    replicating = Device.objects.filter(replicates=True)
    assert [d.name for d in replicating] == ["ps-1"]
    device = factories.device("pc-1")
    assert client.post(f"/devices/{device.pk}/settings/content/", {}).status_code == 404


def order(**changes):
    return {"label": "lyon", "role": "managed", "uses": "5", "days": "7", **changes}


def test_a_key_is_shown_once_with_the_command_to_run(client):
    factories.server("ps-1", port=8443)
    response = client.post(KEYS_PAGE, order())
    assert response.status_code == 201
    made = response.context["made"]
    key = registration_key.read(made["key"])
    assert made["line"].startswith("zac reg https://10.0.0.")
    assert made["line"].endswith(f":8443 --key {made['key']}")
    assert response.headers["Cache-Control"] == "no-store"
    assert key.secret not in client.get(KEYS_PAGE).content.decode()
    row = RegistrationKey.objects.get()
    assert (row.uses_left, row.uses, row.created_by, row.approves) == (5, 5, "admin", False)
    assert row.expires_at > factories.now() + timedelta(days=6)
    assert key.secret not in str(Entry.objects.values())


def test_the_command_for_a_server_names_what_a_server_needs(client):
    line = client.post(KEYS_PAGE, order(role="primary")).context["made"]["line"]
    for part in ("--role primary", "--fqdn", "--address", "--port", "--content-port"):
        assert part in line
    assert "--parent" not in line


@pytest.mark.parametrize("role", ["authentication-satellite", "content-satellite"])
def test_the_command_for_a_satellite_names_its_parent(client, role):
    factories.server("ps-1", port=8443)
    line = client.post(KEYS_PAGE, order(role=role)).context["made"]["line"]
    assert line.endswith(" --parent ps-1")


@pytest.mark.parametrize("changes", [{"label": ""}, {"uses": "0"}, {"role": "king"}, {"days": "9"}])
def test_a_wrong_order_makes_no_key(client, changes):
    assert client.post(KEYS_PAGE, order(**changes)).status_code == 422
    assert not RegistrationKey.objects.exists()


def test_a_key_needs_the_password_again_when_the_login_is_old(client):
    session = client.session
    session["authenticated_at"] = 0
    session.save()
    assert client.post(KEYS_PAGE, order()).status_code == 422
    assert client.post(KEYS_PAGE, order(password="wrong")).status_code == 422
    assert not RegistrationKey.objects.exists()
    assert client.post(KEYS_PAGE, order(password=factories.PASSWORD)).status_code == 201


def test_a_revoked_key_opens_nothing(client):
    client.post(KEYS_PAGE, order())
    key = RegistrationKey.objects.get()
    client.post(f"{KEYS_PAGE}{key.pk}/revoke/")
    assert not RegistrationKey.objects.usable(factories.now()).exists()
    assert "Revoked" in client.get(KEYS_PAGE).content.decode()


def test_a_waiting_server_is_listed_and_let_in(client):
    server = factories.server("ps-9", state="waiting")
    assert "ps-9" in client.get(KEYS_PAGE).content.decode()
    assert [d.name for d in client.get("/devices/?state=waiting").context["page"]] == ["ps-9"]
    client.post(f"/devices/{server.pk}/approve/")
    server.refresh_from_db()
    assert server.state == "registered"
    assert client.post(f"/devices/{server.pk}/approve/").status_code == 409


@pytest.mark.parametrize(("act", "state"), [("unregister", "unregistered"), ("retire", "retired")])
def test_a_device_leaves_after_a_confirmation(client, act, state):
    device = factories.device("pc-1")
    there = f"/devices/{device.pk}/{act}/"
    assert "pc-1?" in client.get(there).content.decode()
    assert client.post(there).status_code == 302
    before = device.credential_epoch
    device.refresh_from_db()
    assert device.state == state
    assert device.credential_epoch == before + 1, "its secret is worth nothing"
    assert Entry.objects.get(there=state).note == "pc-1"


@pytest.mark.parametrize("act", ["unregister", "retire"])
def test_neither_the_certificate_server_nor_the_last_primary_server_leaves(client, act):
    holder = factories.server("ps-1")
    factories.authority(holder)
    other = factories.server("ps-2")
    there = f"/devices/{holder.pk}/{act}/"
    assert "certificate server" in client.get(there).content.decode()
    assert client.post(there).status_code == 409
    client.post(f"/devices/{other.pk}/{act}/")
    other.refresh_from_db()
    assert other.state != "registered"
    holder.authorities.update(certificate_server=None)
    assert client.post(there).status_code == 409, "the last Primary Server"
