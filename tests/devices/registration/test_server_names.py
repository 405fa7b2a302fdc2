"""A name or an address belongs to one server, and no server has what every host has (D-122)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from devices.identity import zone_keys
from devices.models import Device, Role
from devices.registration import keys, registration, server_names
from devices.registration.key_limits import NO_LIMITS, KeyLimits
from faults import Fault
from tests.support import factories
from tests.support.zone import LIMITS, Host, TestZone
from wire import json_codec, messages
from wire.records import replace

SATELLITE = messages.AUTHENTICATION_SATELLITE


def register(
    zone: TestZone,
    host: Host,
    *,
    approves: bool = True,
    limits: KeyLimits | None = None,
    **changes: Any,
) -> Any:
    """Register a host that reports other names than its own."""
    if limits is None:
        limits = LIMITS if approves and host.role != messages.MANAGED else NO_LIMITS
    key = keys.create_registration_key(
        zone_keys.get_public_key(zone.zone),
        label="test",
        role=host.role,
        uses=1,
        approves=approves,
        expires_at=None,
        limits=limits,
    )
    body = json_codec.dump(replace(host.registration(key.secret), **changes))
    url, kind = "/zac/v1/register", "application/json"
    return Client().post(url, body, content_type=kind, secure=True)


TAKEN: dict[str, dict[str, Any]] = {
    "the name of the console": {"fqdn": "ps-01.test.example"},
    "its name in upper case": {"fqdn": "PS-01.Test.Example."},
    "its address": {"addresses": ["10.1.1.1", "127.9.0.1"]},
    "its additional name": {"fqdn": "www.test.example"},
    "the name of a satellite": {"fqdn": "as-01.test.example"},
    "the address of a satellite": {"addresses": ["2001:db8:0::20"]},
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_server_cannot_register_with_what_another_server_has(zone, case):
    zone.join("as-01", SATELLITE, "2001:db8::20")
    registration.save_dns_names(zone.device(zone.first), ["www.test.example"], may_add_names=True)
    response = register(zone, Host("rogue", SATELLITE, "10.1.1.1"), **TAKEN[case])
    assert response.status_code == 409
    problem = response.json()
    owner = "as-01" if "satellite" in case else "ps-01"
    assert f"belongs to {owner}. Nothing was changed." in problem["title"]
    assert f"retire {owner}" in problem["action"]
    assert not Device.objects.filter(name="rogue").exists()


USELESS: dict[str, dict[str, Any]] = {
    "localhost.localdomain": {"fqdn": "localhost.localdomain"},
    "a.localhost": {"fqdn": "a.localhost"},
    "localhost": {"fqdn": "localhost"},
    "one label": {"fqdn": "server"},
    "unspecified": {"addresses": ["0.0.0.0"]},
    "unspecified, IPv6": {"addresses": ["::"]},
    "this network": {"addresses": ["0.1.2.3"]},
    "multicast": {"addresses": ["224.0.0.1"]},
    "multicast, IPv6": {"addresses": ["ff02::1"]},
    "broadcast": {"addresses": ["255.255.255.255"]},
    "loopback": {"addresses": ["127.0.0.1"]},
    "loopback, IPv6": {"addresses": ["::1"]},
    "IPv4 in IPv6": {"addresses": ["::ffff:10.0.0.7"]},
    "scope": {"addresses": ["fe80::1%eth0"]},
}


@pytest.mark.parametrize("case", USELESS)
def test_a_server_cannot_register_with_what_no_server_has(zone, settings, case):
    settings.ALLOW_LOOPBACK = False
    response = register(zone, Host("rogue", SATELLITE, "10.1.1.1"), **USELESS[case])
    assert response.status_code == 422, response.content
    assert response.json()["title"]
    assert not Device.objects.filter(name="rogue").exists()


def test_a_loopback_address_needs_the_setting_of_a_demo_zone(zone, settings):
    """The test zone runs on 127.0.0.0/8, as a demo zone does."""
    assert register(zone, Host("as-01", SATELLITE, "127.9.0.31")).status_code == 201
    settings.ALLOW_LOOPBACK = False
    response = register(zone, Host("as-02", SATELLITE, "127.9.0.32"))
    assert "127.9.0.32 is a loopback address. Nothing was changed." in response.json()["title"]


def test_the_names_of_a_managed_device_reserve_nothing(zone):
    zone.join("pc-1", messages.MANAGED, "10.1.1.1")
    Device.objects.filter(name="pc-1").update(fqdn="as-01.test.example")
    assert register(zone, Host("as-01", SATELLITE, "10.1.1.1")).status_code == 201


def test_a_server_that_has_left_the_zone_releases_its_names(zone):
    zone.join("as-01", SATELLITE, "10.1.1.1")
    registration.retire(Device.objects.get(name="as-01"))
    response = register(zone, Host("as-02", SATELLITE, "10.1.1.1"), fqdn="as-01.test.example")
    assert response.status_code == 201


def test_a_server_is_not_approved_with_what_another_server_has(zone):
    """Two servers can wait with the same name, but only one of them is approved."""
    for name in ("as-01", "as-02"):
        host = Host(name, SATELLITE, "10.1.1.1")
        sent = register(zone, host, approves=False, fqdn="as.test.example")
        assert sent.status_code == 201
    registration.approve(Device.objects.get(name="as-01"), may_add_names=True)
    with pytest.raises(Fault, match=r"as.test.example belongs to as-01"):
        registration.approve(Device.objects.get(name="as-02"), may_add_names=True)
    assert Device.objects.get(name="as-02").state == "waiting"


@pytest.mark.parametrize(
    "name", ["ps-01.test.example", "127-9.localhost", "localhost", "com", "console.bank.example"]
)
def test_an_additional_name_is_not_of_another_server_or_the_console(zone, settings, name):
    settings.CONSOLE_URL = "https://console.bank.example:8443"
    zone.join("as-01", SATELLITE, "10.1.1.1")
    device = Device.objects.get(name="as-01")
    with pytest.raises(Fault):
        registration.save_dns_names(device, ["www.test.example", name], may_add_names=True)
    assert Device.objects.get(name="as-01").dns_names == []


def test_primary_servers_can_share_the_name_of_the_console(zone, settings):
    """Behind a load balancer, every Primary Server shows a certificate with the console's name."""
    settings.CSRF_TRUSTED_ORIGINS = ["https://console.test.example"]
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    for name in ("ps-01", "ps-02"):
        registration.save_dns_names(
            Device.objects.get(name=name), ["console.test.example"], may_add_names=True
        )
    with pytest.raises(Fault, match="belongs to ps-01"):
        server_names.check(server_names.ServerNames(None, Role.PRIMARY, "console.test.example", ()))


def test_settings_show_who_has_a_name(client, db):
    client.force_login(factories.admin())
    factories.zone()
    factories.server("ps-01", fqdn="ps-01.acme.example")
    second = factories.server("ps-02", fqdn="ps-02.acme.example", addresses=["10.9.9.9"])
    response = client.post(f"/devices/{second.pk}/settings/", {"dns_names": "ps-01.acme.example"})
    assert response.status_code == 422
    assert "ps-01.acme.example belongs to ps-01." in response.content.decode()
    assert Device.objects.get(name="ps-02").dns_names == []
