"""Registration of devices with zac reg, and authentication of their requests."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from limits import RateLimitItemPerMinute

from audit.models import Entry
from devices.identity import zone_keys
from devices.models import Device, RegistrationKey, Zone, ZoneKey
from devices.registration import keys as registration_keys
from devices.registration import registration, throttle
from tests.support.zone import LIMITS, Host, TestZone
from wire import json_codec, messages
from wire.records import replace
from zac import RELEASE


def create_key(zone: TestZone, role: str, **values: Any) -> str:
    given = {"label": "test", "uses": 5, "approves": False, "expires_at": None, **values}
    return registration_keys.create_registration_key(
        zone_keys.get_public_key(zone.zone), role=role, **given
    ).secret


def register(host: Host, secret: str, client: Client | None = None) -> Any:
    body = json_codec.dump(host.registration(secret))
    client = client or Client()
    return client.post("/zac/v1/register", body, content_type="application/json", secure=True)


def get_title(response: Any) -> str:
    return str(json.loads(response.content)["title"])


def test_a_managed_device_registers_with_a_key(zone):
    host = Host("pc-1", messages.MANAGED, "10.1.1.1")
    assert register(host, create_key(zone, messages.MANAGED)).status_code == 201
    assert Device.objects.get(name="pc-1").state == "registered"


def test_a_server_waits_for_approval(zone):
    host = Host("ps-05", messages.PRIMARY, "127.9.0.5")
    assert register(host, create_key(zone, messages.PRIMARY)).status_code == 201
    assert Device.objects.get(name="ps-05").state == "waiting"


def register_with_parent(host: Host, secret: str, parent: str) -> Any:
    body = json_codec.dump(replace(host.registration(secret), parent=parent))
    url, kind = "/zac/v1/register", "application/json"
    return Client().post(url, body, content_type=kind, secure=True)


def test_an_unknown_parent_is_rejected_without_using_the_key(zone):
    """A satellite with an unknown parent would have no source for content. See: D-34; D-62."""
    host = Host("cs-1", messages.CONTENT_SATELLITE, "10.1.1.1")
    secret = create_key(zone, messages.CONTENT_SATELLITE, uses=1)
    zone.join("pc-1")
    for wrong in ("ps-99", "pc-1"):
        response = register_with_parent(host, secret, wrong)
        assert response.status_code == 422
        assert wrong in get_title(response)
    assert not Device.objects.filter(name="cs-1").exists()
    assert "ps-99" not in get_title(register_with_parent(host, "x" * 26, "ps-99")), (
        "names are not disclosed"
    )
    assert register_with_parent(host, secret, "ps-01").status_code == 201
    assert Device.objects.get(name="cs-1").parent == zone.device(zone.first)


@pytest.mark.parametrize(
    "wrong", ["another role", "expired", "revoked", "used up", "unknown", "none"]
)
def test_an_invalid_key_is_rejected_without_a_reason(zone, wrong):
    expired = timezone.now() - timedelta(seconds=1)
    secret = create_key(
        zone,
        messages.PRIMARY if wrong == "another role" else messages.MANAGED,
        uses=0 if wrong == "used up" else 5,
        expires_at=expired if wrong == "expired" else None,
    )
    if wrong == "revoked":
        registration_keys.revoke_registration_key(
            RegistrationKey.objects.latest("pk").pk, now=timezone.now()
        )
    sent = {"unknown": "x" * 26, "none": ""}.get(wrong, secret)
    response = register(Host("pc-1", messages.MANAGED, "10.1.1.1"), sent)
    assert response.status_code == 403
    assert get_title(response) == (
        "The registration key is not valid for this role. Nothing was registered."
    )
    assert not Device.objects.filter(name="pc-1").exists()


def test_each_registration_uses_the_key_once(zone):
    secret = create_key(zone, messages.MANAGED, uses=1)
    assert register(Host("pc-1", messages.MANAGED, "10.1.1.1"), secret).status_code == 201
    assert register(Host("pc-2", messages.MANAGED, "10.1.1.2"), secret).status_code == 403


def test_the_database_contains_no_registration_key(zone):
    secret = create_key(zone, messages.MANAGED)
    register(Host("pc-1", messages.MANAGED, "10.1.1.1"), secret)
    stored = [*RegistrationKey.objects.values(), *Entry.objects.values(), *Device.objects.values()]
    assert secret not in str(stored)
    digest = RegistrationKey.objects.get().digest
    assert register(Host("pc-2", messages.MANAGED, "10.1.1.2"), digest).status_code == 403


def test_an_unapproved_server_does_not_replace_a_registered_one(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    before = Device.objects.get(name="ps-02")
    count = ZoneKey.objects.filter(server=before).count()
    stranger = Host("ps-02", messages.PRIMARY, "127.9.0.66")
    response = register(stranger, create_key(zone, messages.PRIMARY))
    assert response.status_code == 409
    assert "Retire the old server" in json.loads(response.content)["action"]
    after = Device.objects.get(name="ps-02")
    assert (after.state, after.credential_epoch, after.vault_key, after.addresses) == (
        before.state,
        before.credential_epoch,
        before.vault_key,
        before.addresses,
    )
    assert ZoneKey.objects.filter(server=before).count() == count


def test_a_reinstalled_server_replaces_itself_with_a_key_that_approves(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    again = Host("ps-02", messages.PRIMARY, "127.9.0.2")
    assert (
        register(
            again, create_key(zone, messages.PRIMARY, approves=True, limits=LIMITS)
        ).status_code
        == 201
    )
    assert Device.objects.get(name="ps-02").state == "registered"


def test_the_name_of_a_device_with_another_role_is_rejected(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    response = register(
        Host("ps-02", messages.MANAGED, "10.1.1.1"), create_key(zone, messages.MANAGED)
    )
    assert response.status_code == 409
    assert Device.objects.get(name="ps-02").role == "primary"


def test_an_address_with_many_invalid_keys_is_blocked(zone):
    good = create_key(zone, messages.MANAGED)
    guesses = throttle.FAILED_REGISTRATIONS.amount
    for _ in range(guesses):
        assert register(Host("pc-1", messages.MANAGED, "10.1.1.1"), "y" * 26).status_code == 403
    response = register(Host("pc-1", messages.MANAGED, "10.1.1.1"), "y" * 26)
    assert response.status_code == 429
    assert get_title(response) == (
        "Too many registration attempts from this address. Nothing was registered."
    )
    assert response.headers["Retry-After"] == "60"
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert (
        register(Host("pc-1", messages.MANAGED, "10.1.1.1"), "y" * 26, elsewhere).status_code == 403
    )
    # A fleet at the same address has a valid key.
    for number in range(3):
        host = Host(f"pc-{number}", messages.MANAGED, f"10.1.2.{number}")
        assert register(host, good).status_code == 201


def test_a_request_with_an_invalid_key_does_not_wait_for_the_zone(zone, monkeypatch):
    def fail(*_args):
        raise AssertionError("the zone was locked")

    monkeypatch.setattr(type(Zone.objects), "lock", fail)
    assert register(Host("pc-1", messages.MANAGED, "10.1.1.1"), "y" * 26).status_code == 403


def test_many_devices_register_at_the_same_time(zone):
    secret = create_key(zone, messages.MANAGED, uses=60)
    codes = {
        register(Host(f"pc-{n}", messages.MANAGED, f"10.1.1.{n}"), secret).status_code
        for n in range(1, 51)
    }
    assert codes == {201}


def test_identity_requests_of_an_address_are_limited(zone, monkeypatch):
    monkeypatch.setattr(throttle, "IDENTITY_REQUESTS", RateLimitItemPerMinute(3))
    client = Client()
    body = json_codec.dump(messages.HelloRequest(nonce="A" * 43 + "=", host="127.9.0.1"))
    codes = [
        client.post("/zac/v1/hello", body, content_type="application/json", secure=True).status_code
        for _ in range(4)
    ]
    assert codes[3] == 429
    assert 429 not in codes[:3]


def test_requests_of_a_retired_device_are_rejected(zone):
    host = zone.join("pc-1", messages.MANAGED, "10.1.1.1")
    host.refresh()
    registration.retire(Device.objects.get(name="pc-1"))
    assert (
        host.send(
            "POST", "/zac/v1/refresh", messages.RefreshRequest(time=0.0, agent="1")
        ).status_code
        == 401
    )


def test_a_captured_request_cannot_be_replayed(zone):
    host = zone.join("pc-1", messages.MANAGED, "10.1.1.1")
    body = messages.RefreshRequest(time=0.0, agent="0.1.0")
    assert host.send("POST", "/zac/v1/refresh", body).status_code == 200
    captured = {"counter": host.counter}
    seen = Device.objects.get(name="pc-1").counter
    assert host.send("POST", "/zac/v1/refresh", body, forge=captured).status_code == 401
    assert Device.objects.get(name="pc-1").counter == seen


@pytest.mark.parametrize("part", ["method", "path", "body", "secret"])
def test_a_request_with_changed_signed_parts_is_rejected(zone, part):
    host = zone.join("pc-1", messages.MANAGED, "10.1.1.1")
    forged = {"method": "GET", "path": "/zac/v1/unregister", "body": b"{}", "secret": "ab" * 32}
    body = messages.RefreshRequest(time=0.0, agent="0.1.0")
    response = host.send("POST", "/zac/v1/refresh", body, forge={part: forged[part]})
    assert response.status_code == 401


@pytest.mark.parametrize("role", [messages.PRIMARY, messages.MANAGED])
def test_registration_and_each_refresh_update_the_version(zone, role):
    joined = zone.join("new-one", role, "127.9.0.7")
    assert zone.device(joined).version == RELEASE
    body = messages.RefreshRequest(time=0.0, agent="0.2.0")
    assert joined.send("POST", "/zac/v1/refresh", body).status_code == 200
    assert zone.device(joined).version == "0.2.0"


def test_the_first_server_of_a_zone_has_a_version(zone):
    assert zone.device(zone.first).version == RELEASE


def test_the_audit_entry_of_a_new_device_has_no_previous_state(zone):
    host = Host("pc-1", messages.MANAGED, "10.1.1.1")
    assert register(host, create_key(zone, messages.MANAGED)).status_code == 201
    entry = Entry.objects.filter(action="register").first()
    assert (entry.here, entry.there, entry.note) == ("", "registered", "pc-1")
