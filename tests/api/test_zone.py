"""The zone, its devices and registration keys in the REST API (R039, D-34, D-48, S-50, S-54)."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from devices.models import Device, RegistrationKey, Zone
from tests.api.conftest import problem, refuses, succeeds
from wire import messages


@succeeds("GET /zone", "PATCH /zone")
def test_settings_of_the_zone_are_read_and_changed(everybody):
    before = everybody.get("zone").json()
    answer = everybody.patch("zone", {"refresh_seconds": 90, "time_zone": "Europe/Vienna"})
    assert answer.status_code == 200
    after = answer.json()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"refresh_seconds", "time_zone", "revision"}
    assert Zone.objects.the().refresh_seconds == 90


@refuses("PATCH /zone")
def test_settings_out_of_range_or_that_do_not_fit_together_are_refused(everybody):
    before = everybody.get("zone").json()
    told = problem(everybody.patch("zone", {"refresh_seconds": 0}), 422)
    assert "refresh_seconds" in told["errors"][0]["field"]
    told = problem(everybody.patch("zone", {"time_zone": "Moon/Base"}), 422)
    assert "time zone" in told["detail"]
    told = problem(everybody.patch("zone", {"lockout_seconds": 3600, "lead_seconds": 60}), 422)
    assert told["errors"][0]["field"] == "lockout_seconds"
    told = problem(everybody.patch("zone", {"colour": "red"}), 422)
    assert "colour" in told["detail"]
    assert everybody.get("zone").json() == before


@succeeds("GET /devices", "GET /devices/{device_id}")
def test_devices_are_listed_searched_and_shown(everybody, zone):
    zone.join("pc-1")
    zone.join("pc-2", address="127.9.0.10")
    found = everybody.get("devices?sort=-name&limit=2").json()
    assert [one["name"] for one in found["items"]] == ["ps-01", "pc-2"]
    assert (found["total"], found["limit"], found["offset"]) == (3, 2, 0)
    rest = everybody.get("devices?sort=-name&limit=2&offset=2").json()
    assert [one["name"] for one in rest["items"]] == ["pc-1"]
    one = everybody.get("devices?q=pc-2&role=managed").json()["items"]
    assert [device["addresses"] for device in one] == [["127.9.0.10"]]
    shown = everybody.get(f"devices/{one[0]['id']}").json()
    assert shown == one[0]


@refuses("GET /devices", "GET /devices/{device_id}")
def test_a_page_that_makes_no_sense_is_refused(everybody):
    for query in ("limit=0", "limit=501", "offset=-1", "limit=x", "offset=99999999999"):
        assert problem(everybody.get(f"devices?{query}"), 422)["errors"]
    problem(everybody.get(f"devices/{uuid4()}"), 404)


@succeeds("PUT /devices/{device_id}/dns-names")
def test_additional_dns_names_are_replaced(everybody, zone):
    there = f"devices/{zone.first.id}/dns-names"
    answer = everybody.put(there, {"dns_names": ["a.test.example", "b.test.example"]})
    assert answer.json()["dns_names"] == ["a.test.example", "b.test.example"]
    assert everybody.put(there, {"dns_names": []}).json()["dns_names"] == []


@refuses("PUT /devices/{device_id}/dns-names")
def test_a_name_that_is_none_is_refused(everybody, zone):
    there = f"devices/{zone.first.id}/dns-names"
    for wrong in ("under_score", "*.test.example", "a..b", "x" * 300):
        told = problem(everybody.put(there, {"dns_names": ["good.test.example", wrong]}), 422)
        assert "dns_names" in told["errors"][0]["field"]
    assert Device.objects.get(pk=zone.first.id).dns_names == []


@succeeds("PUT /devices/{device_id}/content")
def test_a_content_server_replicates_in_its_own_way(everybody, zone):
    satellite = zone.join("cs-1", messages.CONTENT_SATELLITE)
    there = f"devices/{satellite.id}/content"
    answer = everybody.put(there, {"replication_seconds": 60, "replicates": False})
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["replication_seconds"], told["bandwidth_kib"], told["replicates"]) == (
        *(60, None),
        False,
    )


@refuses("PUT /devices/{device_id}/content")
def test_a_primary_server_is_never_left_out_and_a_device_holds_nothing(everybody, zone):
    told = problem(everybody.put(f"devices/{zone.first.id}/content", {"replicates": False}), 422)
    assert told["errors"][0]["field"] == "replicates"
    pc = zone.join("pc-1")
    problem(everybody.put(f"devices/{pc.id}/content", {"bandwidth_kib": 1}), 404)


@succeeds(
    "POST /devices/{device_id}/unregister",
    "POST /devices/{device_id}/retire",
)
def test_a_device_leaves_the_zone(everybody, zone):
    one, two = zone.join("pc-1"), zone.join("pc-2", address="127.9.0.10")
    assert everybody.post(f"devices/{one.id}/unregister").json()["state"] == "unregistered"
    assert everybody.post(f"devices/{two.id}/retire").json()["state"] == "retired"
    assert everybody.get("devices").json()["total"] == 2
    assert everybody.get("devices?state=retired").json()["total"] == 1


@refuses(
    "POST /devices/{device_id}/unregister",
    "POST /devices/{device_id}/retire",
)
def test_the_certificate_server_does_not_leave(everybody, zone):
    for act in ("unregister", "retire"):
        told = problem(everybody.post(f"devices/{zone.first.id}/{act}"), 409)
        assert "certificate server" in told["detail"]
        assert told["action"]


@succeeds("POST /devices/{device_id}/approve")
@refuses("POST /devices/{device_id}/approve")
def test_a_waiting_server_is_approved_once(everybody, zone):
    satellite = zone.join("as-1", messages.AUTHENTICATION_SATELLITE)
    Device.objects.filter(pk=satellite.id).update(state="waiting")
    there = f"devices/{satellite.id}/approve"
    assert everybody.post(there).json()["state"] == "registered"
    problem(everybody.post(there), 409)


@succeeds(
    "GET /registration-keys",
    "POST /registration-keys",
    "POST /registration-keys/{key_id}/revoke",
)
def test_a_registration_key_is_made_shown_once_and_revoked(everybody):
    answer = everybody.post("registration-keys", {"label": "branch", "uses": 3})
    assert answer.status_code == 201
    text = answer.json()["key"]
    assert text.startswith("zcc1-")
    assert answer.json()["line"] == f"zac reg https://127.9.0.1:8443 --key {text}"
    listed = everybody.get("registration-keys")
    assert text.split("-")[1] not in listed.content.decode()
    one = listed.json()["items"][0]
    assert (one["label"], one["uses_left"], one["role"]) == ("branch", 3, "managed")
    assert everybody.post(f"registration-keys/{one['id']}/revoke").json()["revoked_at"]


@refuses("POST /registration-keys", "POST /registration-keys/{key_id}/revoke")
def test_a_registration_key_that_opens_nothing_is_refused(everybody):
    kept = RegistrationKey.objects.count()
    past = (timezone.now() - timedelta(minutes=1)).isoformat()
    for wrong in (
        {"label": ""},
        {"label": "x", "uses": 0},
        {"label": "x", "role": "king"},
        {"label": "x", "expires_at": past},
        {"label": "x", "expires_at": "soon"},
    ):
        problem(everybody.post("registration-keys", wrong), 422)
    assert RegistrationKey.objects.count() == kept
    problem(everybody.post("registration-keys/99999/revoke"), 404)
