"""Who is let into the zone, and as what (zac reg; S-50 to S-58, S-69)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from limits import RateLimitItemPerMinute

from devices.identity import zone_keys
from devices.models import Device, RegistrationKey, ZoneKey
from devices.registration import registration, throttle
from tests.support.zone import Host, TestZone
from wire import json_codec, messages
from wire.values import replace


def key(zone: TestZone, role: str, **values: Any) -> str:
    given = {"label": "test", "uses": 5, "approves": False, "expires_at": None, **values}
    return registration.make_key(zone_keys.zone_public(zone.zone), role=role, **given).secret


def knock(host: Host, secret: str, client: Client | None = None) -> Any:
    body = json_codec.dump(host.registration(secret))
    asking = client or Client()
    return asking.post("/zac/v1/register", body, content_type="application/json", secure=True)


def says(response: Any) -> str:
    return str(json.loads(response.content)["title"])


def test_a_managed_device_is_let_in_by_its_key_alone(zone):
    host = Host("pc-1", messages.MANAGED, "10.1.1.1")
    assert knock(host, key(zone, messages.MANAGED)).status_code == 201
    assert Device.objects.get(name="pc-1").state == "registered"


def test_a_server_waits_for_an_administrator(zone):
    host = Host("ps-05", messages.PRIMARY, "127.9.0.5")
    assert knock(host, key(zone, messages.PRIMARY)).status_code == 201
    assert Device.objects.get(name="ps-05").state == "waiting"


def with_parent(host: Host, secret: str, parent: str) -> Any:
    body = json_codec.dump(replace(host.registration(secret), parent=parent))
    there, kind = "/zac/v1/register", "application/json"
    return Client().post(there, body, content_type=kind, secure=True)


def test_a_parent_that_is_none_is_refused_and_costs_no_use_of_the_key(zone):
    """A satellite with a parent that nobody knows would copy from none (D-34, D-62)."""
    host = Host("cs-1", messages.CONTENT_SATELLITE, "10.1.1.1")
    secret = key(zone, messages.CONTENT_SATELLITE, uses=1)
    zone.join("pc-1")
    for wrong in ("ps-99", "pc-1"):
        answer = with_parent(host, secret, wrong)
        assert answer.status_code == 422
        assert wrong in says(answer)
    assert not Device.objects.filter(name="cs-1").exists()
    assert "ps-99" not in says(with_parent(host, "x" * 26, "ps-99")), "strangers learn no names"
    assert with_parent(host, secret, "ps-01").status_code == 201
    assert Device.objects.get(name="cs-1").parent == zone.device(zone.first)


@pytest.mark.parametrize(
    "wrong", ["another role", "expired", "revoked", "used up", "never made", "none"]
)
def test_a_key_that_does_not_fit_opens_nothing_and_does_not_say_why(zone, wrong):
    expired = timezone.now() - timedelta(seconds=1)
    secret = key(
        zone,
        messages.PRIMARY if wrong == "another role" else messages.MANAGED,
        uses=0 if wrong == "used up" else 5,
        expires_at=expired if wrong == "expired" else None,
    )
    if wrong == "revoked":
        registration.revoke_key(RegistrationKey.objects.latest("pk").pk, now=timezone.now())
    sent = {"never made": "x" * 26, "none": ""}.get(wrong, secret)
    response = knock(Host("pc-1", messages.MANAGED, "10.1.1.1"), sent)
    assert response.status_code == 403
    assert says(response) == "The registration key is not valid for this role. Nothing was done."
    assert not Device.objects.filter(name="pc-1").exists()


def test_each_registration_takes_one_use_of_the_key(zone):
    secret = key(zone, messages.MANAGED, uses=1)
    assert knock(Host("pc-1", messages.MANAGED, "10.1.1.1"), secret).status_code == 201
    assert knock(Host("pc-2", messages.MANAGED, "10.1.1.2"), secret).status_code == 403


def test_a_server_at_work_is_not_replaced_by_one_that_nobody_let_in(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    before = Device.objects.get(name="ps-02")
    sealed = ZoneKey.objects.filter(server=before).count()
    stranger = Host("ps-02", messages.PRIMARY, "127.9.0.66")
    response = knock(stranger, key(zone, messages.PRIMARY))
    assert response.status_code == 409
    assert "Retire the old server" in json.loads(response.content)["action"]
    after = Device.objects.get(name="ps-02")
    assert (after.state, after.credential_epoch, after.vault_key, after.addresses) == (
        before.state,
        before.credential_epoch,
        before.vault_key,
        before.addresses,
    )
    assert ZoneKey.objects.filter(server=before).count() == sealed


def test_a_key_that_approves_lets_a_reinstalled_server_take_its_place(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    again = Host("ps-02", messages.PRIMARY, "127.9.0.2")
    assert knock(again, key(zone, messages.PRIMARY, approves=True)).status_code == 201
    assert Device.objects.get(name="ps-02").state == "registered"


def test_a_name_of_another_role_is_refused(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    response = knock(Host("ps-02", messages.MANAGED, "10.1.1.1"), key(zone, messages.MANAGED))
    assert response.status_code == 409
    assert Device.objects.get(name="ps-02").role == "primary"


def test_an_address_that_guesses_keys_has_to_wait(zone):
    good = key(zone, messages.MANAGED)
    guesses = throttle.REFUSALS.amount
    for _ in range(guesses):
        assert knock(Host("pc-1", messages.MANAGED, "10.1.1.1"), "y" * 26).status_code == 403
    refused = knock(Host("pc-1", messages.MANAGED, "10.1.1.1"), good)
    assert refused.status_code == 429
    assert says(refused) == "Too many attempts from this address. Nothing was done."
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert knock(Host("pc-1", messages.MANAGED, "10.1.1.1"), good, elsewhere).status_code == 201


def test_a_fleet_that_registers_at_once_is_let_in(zone):
    secret = key(zone, messages.MANAGED, uses=60)
    codes = {
        knock(Host(f"pc-{n}", messages.MANAGED, f"10.1.1.{n}"), secret).status_code
        for n in range(1, 51)
    }
    assert codes == {201}


def test_an_address_may_not_have_the_zone_key_sign_without_end(zone, monkeypatch):
    monkeypatch.setattr(throttle, "GREETINGS", RateLimitItemPerMinute(3))
    client = Client()
    said = json_codec.dump(messages.Hello(nonce="A" * 43 + "=", host="127.9.0.1"))
    codes = [
        client.post("/zac/v1/hello", said, content_type="application/json", secure=True).status_code
        for _ in range(4)
    ]
    assert codes[3] == 429
    assert 429 not in codes[:3]


def test_a_retired_device_is_refused_with_its_next_request(zone):
    host = zone.join("pc-1", messages.MANAGED, "10.1.1.1")
    host.refresh()
    registration.retire(Device.objects.get(name="pc-1"))
    assert (
        host.send("POST", "/zac/v1/refresh", messages.Refresh(t=0.0, agent="1")).status_code == 401
    )


def test_a_captured_request_works_once(zone):
    host = zone.join("pc-1", messages.MANAGED, "10.1.1.1")
    said = messages.Refresh(t=0.0, agent="0.1.0")
    assert host.send("POST", "/zac/v1/refresh", said).status_code == 200
    captured = {"counter": host.counter}
    seen = Device.objects.get(name="pc-1").counter
    assert host.send("POST", "/zac/v1/refresh", said, forge=captured).status_code == 401
    assert Device.objects.get(name="pc-1").counter == seen


@pytest.mark.parametrize("part", ["method", "path", "body", "secret"])
def test_a_request_whose_signed_parts_differ_is_refused(zone, part):
    host = zone.join("pc-1", messages.MANAGED, "10.1.1.1")
    forged = {"method": "GET", "path": "/zac/v1/unregister", "body": b"{}", "secret": "ab" * 32}
    said = messages.Refresh(t=0.0, agent="0.1.0")
    answer = host.send("POST", "/zac/v1/refresh", said, forge={part: forged[part]})
    assert answer.status_code == 401
