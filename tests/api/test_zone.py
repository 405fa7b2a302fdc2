"""REST API of the zone, its devices, and registration keys."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from devices.models import Device, RegistrationKey, Zone
from tests.api.conftest import problem, refuses, succeeds
from tests.devices.registration.test_server_names import register
from tests.support.zone import Host
from wire import messages


@succeeds("GET /zone", "PATCH /zone")
def test_settings_of_the_zone_are_read_and_changed(everybody):
    before = everybody.get("zone").json()
    response = everybody.patch("zone", {"refresh_seconds": 90, "time_zone": "Europe/Vienna"})
    assert response.status_code == 200
    after = response.json()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"refresh_seconds", "time_zone", "revision"}
    assert Zone.objects.get_zone().refresh_seconds == 90


def test_the_previous_names_of_settings_are_accepted_and_returned(everybody):
    values = {"lockout_seconds": 300, "lead_seconds": 3600, "renews_by_itself": False}
    response = everybody.patch("zone", values).json()
    assert {name: response[name] for name in values} == values
    assert (response["freeze_seconds"], response["lead_time_seconds"]) == (300, 3600)
    assert response["automatic_renewal"] is False
    both = {"lockout_seconds": 1200, "freeze_seconds": 900}
    assert everybody.patch("zone", both).json()["freeze_seconds"] == 900, "the new name wins"


@refuses("PATCH /zone")
def test_invalid_or_contradicting_settings_are_rejected(everybody):
    before = everybody.get("zone").json()
    response = problem(everybody.patch("zone", {"refresh_seconds": 0}), 422)
    assert "refresh_seconds" in response["errors"][0]["field"]
    response = problem(everybody.patch("zone", {"time_zone": "Moon/Base"}), 422)
    assert "time zone" in response["detail"]
    response = problem(
        everybody.patch("zone", {"freeze_seconds": 3600, "lead_time_seconds": 60}), 422
    )
    assert response["errors"][0]["field"] == "freeze_seconds"
    response = problem(everybody.patch("zone", {"colour": "red"}), 422)
    assert "colour" in response["detail"]
    assert everybody.get("zone").json() == before


@succeeds("GET /devices", "GET /devices/{device_id}")
def test_devices_are_listed_searched_and_shown(everybody, zone):
    zone.join("pc-1")
    zone.join("pc-2", address="127.9.0.10")
    found = everybody.get("devices?sort=-name&limit=2").json()
    assert [item["name"] for item in found["items"]] == ["ps-01", "pc-2"]
    assert (found["total"], found["limit"], found["offset"]) == (3, 2, 0)
    rest = everybody.get("devices?sort=-name&limit=2&offset=2").json()
    assert [item["name"] for item in rest["items"]] == ["pc-1"]
    one = everybody.get("devices?q=pc-2&role=managed").json()["items"]
    assert [device["addresses"] for device in one] == [["127.9.0.10"]]
    shown = everybody.get(f"devices/{one[0]['id']}").json()
    assert shown == one[0] | {"hooks": None, "system_trust": None, "tls_libraries": None}
    Device.objects.filter(name="pc-2").update(last_contact=None)
    # The second value is deprecated.
    for role in ("no-contact", "silent"):
        offline = everybody.get(f"devices?role={role}&q=pc-2").json()["items"]
        assert [device["name"] for device in offline] == ["pc-2"]


@refuses("GET /devices", "GET /devices/{device_id}")
def test_invalid_paging_is_rejected(everybody):
    for query in ("limit=0", "limit=501", "offset=-1", "limit=x", "offset=99999999999"):
        assert problem(everybody.get(f"devices?{query}"), 422)["errors"]
    problem(everybody.get(f"devices/{uuid4()}"), 404)


@succeeds("PUT /devices/{device_id}/dns-names")
def test_additional_dns_names_are_replaced(everybody, zone):
    url = f"devices/{zone.first.id}/dns-names"
    response = everybody.put(url, {"dns_names": ["a.test.example", "b.test.example"]})
    assert response.json()["dns_names"] == ["a.test.example", "b.test.example"]
    assert everybody.put(url, {"dns_names": []}).json()["dns_names"] == []


@refuses("PUT /devices/{device_id}/dns-names")
def test_an_invalid_dns_name_is_rejected(everybody, zone):
    url = f"devices/{zone.first.id}/dns-names"
    for invalid in ("under_score", "*.test.example", "a..b", "x" * 300):
        response = problem(everybody.put(url, {"dns_names": ["good.test.example", invalid]}), 422)
        assert "dns_names" in response["errors"][0]["field"]
    assert Device.objects.get(pk=zone.first.id).dns_names == []


@succeeds("PUT /devices/{device_id}/content")
def test_replication_settings_of_a_content_server_are_saved(everybody, zone):
    satellite = zone.join("cs-1", messages.CONTENT_SATELLITE)
    url = f"devices/{satellite.id}/content"
    response = everybody.put(url, {"replication_seconds": 60, "replicates": False})
    assert response.status_code == 200, response.content
    response = response.json()
    assert (response["replication_seconds"], response["bandwidth_kib"], response["replicates"]) == (
        *(60, None),
        False,
    )


@refuses("PUT /devices/{device_id}/content")
def test_replication_settings_are_for_content_servers_only(everybody, zone):
    response = problem(
        everybody.put(f"devices/{zone.first.id}/content", {"replicates": False}), 422
    )
    assert response["errors"][0]["field"] == "replicates"
    pc = zone.join("pc-1")
    problem(everybody.put(f"devices/{pc.id}/content", {"bandwidth_kib": 1}), 404)


@succeeds(
    "POST /devices/{device_id}/unregister",
    "POST /devices/{device_id}/retire",
)
def test_a_device_is_unregistered_or_retired(everybody, zone):
    one, two = zone.join("pc-1"), zone.join("pc-2", address="127.9.0.10")
    assert everybody.post(f"devices/{one.id}/unregister").json()["state"] == "unregistered"
    assert everybody.post(f"devices/{two.id}/retire").json()["state"] == "retired"
    assert everybody.get("devices").json()["total"] == 2
    assert everybody.get("devices?state=retired").json()["total"] == 1


@refuses(
    "POST /devices/{device_id}/unregister",
    "POST /devices/{device_id}/retire",
)
def test_the_certificate_server_cannot_be_removed(everybody, zone):
    for action in ("unregister", "retire"):
        response = problem(everybody.post(f"devices/{zone.first.id}/{action}"), 409)
        assert "certificate server" in response["detail"]
        assert response["action"]


@succeeds("POST /devices/{device_id}/approve")
@refuses("POST /devices/{device_id}/approve")
def test_a_waiting_server_is_approved_once(everybody, zone):
    satellite = zone.join("as-1", messages.AUTHENTICATION_SATELLITE)
    Device.objects.filter(pk=satellite.id).update(state="waiting")
    url = f"devices/{satellite.id}/approve"
    assert everybody.post(url).json()["state"] == "registered"
    problem(everybody.post(url), 409)


@succeeds(
    "GET /registration-keys",
    "POST /registration-keys",
    "POST /registration-keys/{key_id}/revoke",
)
def test_a_registration_key_is_created_returned_once_and_revoked(everybody):
    response = everybody.post("registration-keys", {"label": "branch", "uses": 3})
    assert response.status_code == 201
    text = response.json()["key"]
    assert text.startswith("zcc1-")
    assert response.json()["command"] == f"zac reg https://127.9.0.1:8443 --key {text}"
    assert response.json()["line"] == response.json()["command"], "deprecated name"
    listed = everybody.get("registration-keys")
    assert text.split("-")[1] not in listed.content.decode()
    one = listed.json()["items"][0]
    assert (one["label"], one["uses_left"], one["role"]) == ("branch", 3, "managed")
    assert everybody.post(f"registration-keys/{one['id']}/revoke").json()["revoked_at"]


def test_a_registration_key_of_the_api_has_limits(everybody):
    limits = {"domains": ["a.example"], "networks": ["10.1.0.0/16"], "device": "ps-9"}
    body = {"label": "x", "role": "primary", "approves": True, **limits}
    assert everybody.post("registration-keys", body).status_code == 201
    listed = everybody.get("registration-keys").json()["items"][0]
    assert {name: listed[name] for name in limits} == limits
    old = {"label": "old client", "role": "primary", "approves": False, "uses": 1}
    assert everybody.post("registration-keys", old).status_code == 201
    managed = {"label": "old client", "role": "managed", "approves": True}
    assert everybody.post("registration-keys", managed).status_code == 201


def test_what_a_key_does_not_approve_is_in_the_api(zone, everybody):
    host = Host("as-01", messages.AUTHENTICATION_SATELLITE, "10.1.1.1")
    answer = register(zone, host, fqdn="as-01.bank.example")
    shown = everybody.get(f"devices/{answer.json()['id']}").json()
    assert shown["outside_key"] == {"key": "test", "names": ["as-01.bank.example"]}


@refuses("POST /registration-keys", "POST /registration-keys/{key_id}/revoke")
def test_an_invalid_registration_key_is_rejected(everybody):
    count = RegistrationKey.objects.count()
    past = (timezone.now() - timedelta(minutes=1)).isoformat()
    for invalid in (
        {"label": ""},
        {"label": "x", "uses": 0},
        {"label": "x", "role": "king"},
        {"label": "x", "expires_at": past},
        {"label": "x", "expires_at": "soon"},
        {"label": "x", "role": "primary", "approves": True},
        {"label": "x", "role": "primary", "approves": True, "domains": ["a.example"]},
        {"label": "x", "domains": ["a.example"]},
        {"label": "x", "networks": ["everywhere"]},
        {"label": "x", "device": "a b"},
    ):
        problem(everybody.post("registration-keys", invalid), 422)
    assert RegistrationKey.objects.count() == count
    problem(everybody.post("registration-keys/99999/revoke"), 404)
