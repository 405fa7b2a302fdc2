"""Zone settings, replication settings of a content server, and registration keys."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.models import Entry
from console.pages import formatting
from devices.models import Device, RegistrationKey, Role, Zone
from devices.zone.settings import GROUPS, SETTINGS
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


def build_form(**changes):
    """Return the values that the page sends when some fields are changed."""
    zone = Zone.objects.get_zone()
    values = {setting.name: getattr(zone, setting.name) for setting in SETTINGS}
    form = {
        name: formatting.format_duration(value) if name.endswith("_seconds") else value
        for name, value in values.items()
    }
    form["automatic_renewal"] = "on"
    form["freeze_seconds"] = "30 seconds"
    return {**form, **changes}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90 s", 90), ("12 h", 43_200), ("3 days", 259_200), ("1 h 30 min", 5400), ("1w", 604_800)],
)
def test_durations_are_parsed(text, seconds):
    assert formatting.parse_duration(text) == seconds
    assert formatting.parse_duration(formatting.format_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "12", "h", "12 months", "3 days soon", "-1 h", "1.5 h"])
def test_invalid_durations_are_rejected(text):
    with pytest.raises(ValueError, match=r".*"):
        formatting.parse_duration(text)


def test_every_setting_shows_its_range_and_default(client):
    page = client.get(SETTINGS_PAGE).content.decode()
    assert "Enter a value from 1 second to 7 days. Default: 12 hours." in page
    assert "Enter a number from 1 to 3,650. Default: 365." in page
    for setting in SETTINGS:
        assert f'name="{setting.name}"' in page
    assert "A device uses a new interval after its next contact." in page


def test_settings_are_grouped_and_changed_ones_are_marked(client):
    grouped = [name for _label, names in GROUPS for name in names]
    assert sorted(grouped) == sorted(setting.name for setting in SETTINGS)
    Zone.objects.update(**{setting.name: setting.default for setting in SETTINGS})
    page = client.get(SETTINGS_PAGE).content.decode()
    assert all(f"<h3>{label}</h3>" in page for label, _names in GROUPS)
    assert "Changed from the default." not in page
    Zone.objects.update(refresh_seconds=90, ready_servers=True)
    page = client.get(SETTINGS_PAGE).content.decode()
    assert page.count("Changed from the default.") == 2


def test_a_change_is_saved_sent_to_devices_and_recorded_in_the_audit_log(client):
    before = Zone.objects.get_zone()
    response = client.post(SETTINGS_PAGE, build_form(refresh_seconds="2 hours"))
    assert response.status_code == 302
    after = Zone.objects.get_zone()
    assert after.refresh_seconds == 7200
    assert after.revision > before.revision, "cached responses are stale"
    entry = Entry.objects.get(action="zone-settings")
    assert entry.actor == "admin"
    assert entry.detail["refresh_seconds"] == {"before": 60, "after": 7200}
    assert set(entry.detail) == {"refresh_seconds", "freeze_seconds"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"refresh_seconds": "8 days"}, "refresh_seconds"),
        ({"refresh_seconds": "soon"}, "refresh_seconds"),
        ({"freeze_seconds": "1 hour", "lead_time_seconds": "1 hour"}, "freeze_seconds"),
        ({"renewal_days": 365}, "renewal_days"),
        ({"grace_seconds": "100 s"}, "grace_seconds"),
        ({"server_certificate_days": 3651}, "server_certificate_days"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
def test_invalid_or_contradicting_values_change_nothing(client, changes, field):
    before = Zone.objects.values().get()
    response = client.post(SETTINGS_PAGE, build_form(**changes))
    assert response.status_code == 422
    assert response.context["form"].errors[field]
    assert Zone.objects.values().get() == before
    assert not Entry.objects.exists()


def test_saving_unchanged_settings_adds_no_audit_entry(client):
    client.post(SETTINGS_PAGE, build_form())
    client.post(SETTINGS_PAGE, build_form())
    assert Entry.objects.filter(action="zone-settings").count() == 1


def test_a_content_server_can_have_its_own_replication_settings(client):
    server = factories.server("cs-1", Role.CONTENT_SATELLITE)
    url = f"/devices/{server.pk}/settings/content/"
    form = {"replication_seconds": "1 h", "bandwidth_kib": "256", "replicates": "on"}
    assert client.post(url, form).status_code == 302
    server.refresh_from_db()
    zone = Zone.objects.get_zone()
    assert server.get_replication_interval(zone) == timedelta(hours=1)
    assert server.get_bandwidth(zone) == 256 * 1024
    client.post(url, {"replicates": "on"})
    server.refresh_from_db()
    assert server.get_replication_interval(zone) == timedelta(minutes=5), (
        "the zone's, for satellites"
    )


@pytest.mark.parametrize(("limit", "text"), [(0, "no limit"), (2048, "2,048 KiB/s")])
def test_the_page_shows_the_bandwidth_of_the_zone(client, limit, text):
    server = factories.server("cs-1", Role.CONTENT_SATELLITE)
    Zone.objects.update(bandwidth_kib=limit)
    page = client.get(f"/devices/{server.pk}/settings/").content.decode()
    assert f"Leave empty to use the zone setting ({text}). Enter 0 for no limit." in page


def test_only_a_satellite_can_be_excluded_from_replication(client):
    primary, satellite = factories.server("ps-1"), factories.server("cs-1", Role.CONTENT_SATELLITE)
    for server in (primary, satellite):
        client.post(f"/devices/{server.pk}/settings/content/", {})
    replicating = Device.objects.filter(replicates=True)
    assert [d.name for d in replicating] == ["ps-1"]
    device = factories.device("pc-1")
    assert client.post(f"/devices/{device.pk}/settings/content/", {}).status_code == 404


def build_key_form(**changes):
    return {"label": "lyon", "role": "managed", "uses": "5", "days": "7", **changes}


def test_a_key_is_shown_once_with_the_command_to_run(client):
    factories.server("ps-1", port=8443)
    response = client.post(KEYS_PAGE, build_key_form())
    assert response.status_code == 201
    created = response.context["created"]
    key = registration_key.parse(created["key"])
    assert created["command"].startswith("zac reg https://10.0.0.")
    assert created["command"].endswith(f":8443 --key {created['key']}")
    assert response.headers["Cache-Control"] == "no-store"
    assert key.secret not in client.get(KEYS_PAGE).content.decode()
    row = RegistrationKey.objects.get()
    assert (row.uses_left, row.uses, row.created_by, row.approves) == (5, 5, "admin", False)
    assert row.expires_at > factories.now() + timedelta(days=6)
    assert key.secret not in str(Entry.objects.values())


LIMITS = {"approves": "on", "domains": "Lyon.example.com", "networks": "10.1.0.0/16\n10.2.0.0/16"}


def test_a_key_that_approves_servers_shows_what_it_approves(client):
    made = client.post(KEYS_PAGE, build_key_form(role="primary", device="ps-9", **LIMITS))
    assert made.status_code == 201
    row = RegistrationKey.objects.get()
    assert (row.domains, row.networks) == (["lyon.example.com"], ["10.1.0.0/16", "10.2.0.0/16"])
    shown = client.get(KEYS_PAGE).content.decode()
    assert "Approves automatically: lyon.example.com; 10.1.0.0/16, 10.2.0.0/16" in shown
    assert "Only for ps-9" in shown
    detail = Entry.objects.get(action="registration-key").detail
    assert (detail["domains"], detail["device"]) == (["lyon.example.com"], "ps-9")


@pytest.mark.parametrize("missing", ["domains", "networks"])
def test_a_key_that_approves_servers_without_limits_is_not_created(client, missing):
    response = client.post(KEYS_PAGE, build_key_form(role="primary", **{**LIMITS, missing: " "}))
    assert response.status_code == 422
    assert "No key was created" in response.context["form"].errors[missing][0]
    assert not RegistrationKey.objects.exists()


def test_the_command_for_a_server_names_what_a_server_needs(client):
    command = client.post(KEYS_PAGE, build_key_form(role="primary")).context["created"]["command"]
    for part in ("--role primary", "--fqdn", "--address", "--port", "--content-port"):
        assert part in command
    assert "--parent" not in command


@pytest.mark.parametrize("role", ["authentication-satellite", "content-satellite"])
def test_the_command_for_a_satellite_names_its_parent(client, role):
    factories.server("ps-1", port=8443)
    command = client.post(KEYS_PAGE, build_key_form(role=role)).context["created"]["command"]
    assert command.endswith(" --parent ps-1")


@pytest.mark.parametrize("changes", [{"label": ""}, {"uses": "0"}, {"role": "king"}, {"days": "9"}])
def test_invalid_values_create_no_key(client, changes):
    assert client.post(KEYS_PAGE, build_key_form(**changes)).status_code == 422
    assert not RegistrationKey.objects.exists()


def test_a_key_requires_the_password_when_the_login_is_old(client):
    session = client.session
    session["authenticated_at"] = 0
    session.save()
    assert client.post(KEYS_PAGE, build_key_form()).status_code == 422
    assert client.post(KEYS_PAGE, build_key_form(password="wrong")).status_code == 422
    assert not RegistrationKey.objects.exists()
    assert client.post(KEYS_PAGE, build_key_form(password=factories.PASSWORD)).status_code == 201


def test_a_revoked_key_cannot_be_used(client):
    client.post(KEYS_PAGE, build_key_form())
    key = RegistrationKey.objects.get()
    client.post(f"{KEYS_PAGE}{key.pk}/revoke/")
    assert not RegistrationKey.objects.usable(factories.now()).exists()
    assert "Revoked" in client.get(KEYS_PAGE).content.decode()


def test_selected_keys_are_revoked_after_a_confirmation(client):
    keys = [
        RegistrationKey.objects.create(label=f"site-{n}", digest=str(n), uses=1, uses_left=1)
        for n in range(3)
    ]
    page = client.get(KEYS_PAGE).content.decode()
    assert page.count('form="bulk-form"') == 3
    selected = {"action": "revoke", "ids": f"{keys[0].pk},{keys[1].pk},x,{2**70}"}
    dialog = client.post(f"{KEYS_PAGE}selected/", selected)
    assert "site-0, site-1" in dialog.content.decode()
    assert RegistrationKey.objects.usable(factories.now()).count() == 3
    client.post(f"{KEYS_PAGE}selected/", {**selected, "confirmed": "1"})
    assert [key.label for key in RegistrationKey.objects.usable(factories.now())] == ["site-2"]
    assert Entry.objects.filter(action="revoke-registration-key").count() == 2
    page = client.get(KEYS_PAGE).content.decode()
    assert page.count('<span class="st">Revoked</span>') == 2


def test_a_server_waiting_for_approval_is_listed_and_approved(client):
    server = factories.server("ps-9", state="waiting")
    assert "ps-9" in client.get(KEYS_PAGE).content.decode()
    assert [d.name for d in client.get("/devices/?state=waiting").context["page"]] == ["ps-9"]
    shown = {"epoch": server.credential_epoch}
    client.post(f"/devices/{server.pk}/approve/", shown)
    server.refresh_from_db()
    assert server.state == "registered"
    assert client.post(f"/devices/{server.pk}/approve/", shown).status_code == 409


@pytest.mark.parametrize(
    ("action", "state"), [("unregister", "unregistered"), ("retire", "retired")]
)
def test_a_device_is_removed_after_a_confirmation(client, action, state):
    device = factories.device("pc-1")
    url = f"/devices/{device.pk}/{action}/"
    assert "pc-1?" in client.get(url).content.decode()
    assert client.post(url).status_code == 302
    before = device.credential_epoch
    device.refresh_from_db()
    assert device.state == state
    assert device.credential_epoch == before + 1, "the secret is no longer valid"
    assert Entry.objects.get(there=state).note == "pc-1"


@pytest.mark.parametrize("action", ["unregister", "retire"])
def test_the_certificate_server_and_the_last_primary_server_cannot_be_removed(client, action):
    primary = factories.server("ps-1")
    factories.authority(primary)
    other = factories.server("ps-2")
    url = f"/devices/{primary.pk}/{action}/"
    assert "certificate server" in client.get(url).content.decode()
    assert client.post(url).status_code == 409
    client.post(f"/devices/{other.pk}/{action}/")
    other.refresh_from_db()
    assert other.state != "registered"
    primary.authorities.update(certificate_server=None)
    assert client.post(url).status_code == 409, "the last Primary Server"
