"""A registration key names what it approves: domains, networks, and one device (D-140, D-141)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from certificates.issuance import signing
from certificates.models import Authority, FutureCertificate
from certificates.operations.states import FutureState
from devices.models import Device, RegistrationKey, ZoneKey
from devices.registration import registration
from devices.registration.key_limits import NO_LIMITS, KeyLimits, check_limits
from faults import Invalid
from tests.devices.registration.test_decisions import return_as
from tests.devices.registration.test_registration import create_key
from tests.devices.registration.test_registration import register as register_with
from tests.devices.registration.test_server_names import register
from tests.support import factories
from tests.support.zone import LIMITS, Host, TestZone
from wire import messages

pytestmark = pytest.mark.django_db
SATELLITE = messages.AUTHENTICATION_SATELLITE
BRANCH = KeyLimits(("branch.example.com",), ("10.1.0.0/16", "2001:db8:1::/48"))
INSIDE: dict[str, Any] = {
    "fqdn": "as-01.branch.example.com",
    "addresses": ["10.1.2.3", "2001:db8:1::3"],
}
OFFICE = KeyLimits(networks=("10.1.0.0/16", "127.0.0.1/32"))


def join(zone: TestZone, role: str = SATELLITE, **changes: Any) -> Device:
    """Register a server with a key of the branch, and return its row."""
    host = Host("as-01", role, "10.1.2.3")
    response = register(zone, host, limits=BRANCH, **(INSIDE | changes))
    assert response.status_code == 201, response.content
    return Device.objects.get(pk=response.json()["id"])


@pytest.mark.parametrize("role", [SATELLITE, messages.CONTENT_SATELLITE, messages.PRIMARY])
@pytest.mark.parametrize("fqdn", ["branch.example.com", "as-01.branch.example.com"])
def test_a_server_inside_the_limits_is_approved(zone, role, fqdn):
    device = join(zone, role, fqdn=fqdn)
    assert (device.state, device.outside_key) == ("registered", {})


OUTSIDE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another domain": ({"fqdn": "as-01.bank.example"}, ["as-01.bank.example"]),
    "the parent domain": ({"fqdn": "example.com"}, ["example.com"]),
    "a domain that ends like it": (
        {"fqdn": "evilbranch.example.com"},
        ["evilbranch.example.com"],
    ),
    "the domain as a prefix": (
        {"fqdn": "branch.example.com.evil.example"},
        ["branch.example.com.evil.example"],
    ),
    "another address": ({"addresses": ["10.2.0.1"]}, ["10.2.0.1"]),
    "one of two addresses": ({"addresses": ["10.1.2.3", "192.0.2.9"]}, ["192.0.2.9"]),
    "another IPv6 address": ({"addresses": ["2001:db8:2::3"]}, ["2001:db8:2::3"]),
    "both": (
        {"fqdn": "as-01.bank.example", "addresses": ["10.2.0.1"]},
        ["as-01.bank.example", "10.2.0.1"],
    ),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_server_outside_the_limits_waits_and_gets_no_certificate(zone, case):
    changed, outside = OUTSIDE[case]
    device = join(zone, **changed)
    assert device.state == "waiting"
    assert (device.outside_key["key"], device.outside_key["names"]) == ("test", outside)
    entry = Entry.objects.filter(action="register").latest("seq")
    assert entry.detail["outside_key"]["names"] == outside
    signing.sign_batch(Authority.objects.current(), now=timezone.now())
    assert FutureCertificate.objects.get(device=device).state == FutureState.AWAITED

    page = Client()
    page.force_login(factories.admin())
    note = f"Not approved by the registration key test: {', '.join(outside)}."
    assert note in page.get(reverse("devices:device", args=[device.pk])).content.decode()
    assert note in page.get(reverse("zone:keys")).content.decode()

    registration.approve(device, may_add_names=True)
    device.refresh_from_db()
    assert (device.state, device.outside_key) == ("registered", {})


def test_names_are_compared_in_lower_case_and_without_a_final_dot(zone):
    assert join(zone, fqdn="AS-01.Branch.Example.COM.").state == "registered"


def test_a_key_of_an_earlier_version_approves_no_server(zone):
    secret = create_key(zone, SATELLITE)
    RegistrationKey.objects.update(approves=True)
    host = Host("as-01", SATELLITE, "10.1.2.3")
    assert register_with(host, secret).json()["approved"] is False
    device = Device.objects.get(name="as-01")
    assert device.outside_key["names"] == ["as-01.test.example", "10.1.2.3"]
    page = Client()
    page.force_login(factories.admin())
    assert "Approves no servers" in page.get(reverse("zone:keys")).content.decode()


def test_a_server_is_not_taken_over_with_a_key_that_does_not_approve_its_names(zone):
    """Otherwise the holder of a key for the branch could replace a server of the head office."""
    real = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    before = zone.device(real)
    stranger = Host("ps-02", messages.PRIMARY, "10.1.2.3")
    response = register(zone, stranger, limits=BRANCH, **INSIDE)
    assert response.status_code == 409
    after = zone.device(real)
    assert (after.state, after.credential_epoch) == ("registered", before.credential_epoch)
    assert ZoneKey.objects.filter(server=after).count() == 2


def test_additional_dns_names_that_a_row_keeps_must_be_approved(zone):
    device = join(zone)
    registration.save_dns_names(device, ["www.bank.example"], may_add_names=True)
    registration.unregister(device)
    again = join(zone)
    assert (again.pk, again.state) == (device.pk, "waiting")
    assert again.outside_key["names"] == ["www.bank.example"]


def test_a_waiting_server_cannot_approve_itself_with_its_secret(zone):
    host = Host("as-01", SATELLITE, "10.1.2.3")
    given = register(zone, host, limits=BRANCH, **(INSIDE | {"fqdn": "as-01.bank.example"})).json()
    host.id, host.secret = given["id"], given["secret"]
    assert return_as(host, **INSIDE).json()["approved"] is False
    assert Device.objects.get(pk=host.id).state == "waiting"
    return_as(host, **(INSIDE | {"addresses": ["10.9.9.9"]}))
    assert Device.objects.get(pk=host.id).outside_key["names"] == ["10.9.9.9"]


@pytest.mark.parametrize(
    ("limits", "declared", "approved"),
    [
        (NO_LIMITS, "10.9.9.9", True),
        (OFFICE, "10.1.2.3", True),
        (OFFICE, "10.9.9.9", False),
        (KeyLimits(networks=("10.0.0.0/8",)), "10.1.2.3", False),
    ],
    ids=["no networks", "inside", "reported address", "source address"],
)
def test_the_networks_of_a_key_for_managed_devices(zone, limits, declared, approved):
    """The test client connects from 127.0.0.1."""
    host = Host("pc-1", messages.MANAGED, declared)
    given = register(zone, host, limits=limits).json()
    assert given["approved"] is approved
    host.id, host.secret = given["id"], given["secret"]
    assert return_as(host).json()["approved"] is approved, "it does not approve itself"


def test_a_managed_device_is_not_disturbed_from_another_network(zone):
    real = zone.join("pc-1")
    given = register(zone, Host("pc-1", messages.MANAGED, "10.9.9.9"), limits=OFFICE).json()
    assert (given["id"] == real.id, given["approved"]) == (False, False)
    assert real.refresh()["approved"]


REJECTED: dict[str, tuple[str, bool, KeyLimits, str]] = {
    "no limits": (SATELLITE, True, NO_LIMITS, "domains"),
    "no networks": (messages.PRIMARY, True, KeyLimits(("a.example",)), "networks"),
    "no domains": (SATELLITE, True, KeyLimits(networks=("10.0.0.0/8",)), "domains"),
    "top-level domain": (SATELLITE, True, KeyLimits(("com",), ("10.0.0.0/8",)), "domains"),
    "no domain": (SATELLITE, True, KeyLimits(("a b",), ("10.0.0.0/8",)), "domains"),
    "wildcard": (SATELLITE, True, KeyLimits(("*.a.example",), ("10.0.0.0/8",)), "domains"),
    "every address": (SATELLITE, True, KeyLimits(("a.example",), ("0.0.0.0/0",)), "networks"),
    "every IPv6 address": (SATELLITE, True, KeyLimits(("a.example",), ("::/0",)), "networks"),
    "host bits": (SATELLITE, True, KeyLimits(("a.example",), ("10.1.2.3/8",)), "networks"),
    "no network": (SATELLITE, True, KeyLimits(("a.example",), ("here",)), "networks"),
    "limits without approval": (SATELLITE, False, BRANCH, "domains"),
    "domains of managed devices": (messages.MANAGED, True, BRANCH, "domains"),
    "device name": (messages.MANAGED, False, KeyLimits(device="a b"), "device"),
    "too many": (
        SATELLITE,
        True,
        KeyLimits(("a.example",), tuple(f"10.{n}.0.0/16" for n in range(21))),
        "networks",
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_key_with_invalid_limits_is_not_created(case):
    role, approves, limits, field = REJECTED[case]
    with pytest.raises(Invalid, match="No key was created") as caught:
        check_limits(limits, role=role, approves=approves)
    assert caught.value.field == field


def test_limits_are_normalized():
    given = KeyLimits((".Branch.Example.com.",) * 2, ("10.1.2.3", "2001:DB8::/32"), " as-01 ")
    assert check_limits(given, role=SATELLITE, approves=True) == KeyLimits(
        ("branch.example.com",), ("10.1.2.3/32", "2001:db8::/32"), "as-01"
    )


def test_a_key_for_one_device_is_not_valid_for_others(zone):
    limits = KeyLimits(LIMITS.domains, LIMITS.networks, "as-01")
    stranger = register(zone, Host("as-02", SATELLITE, "10.1.1.2"), limits=limits)
    assert stranger.status_code == 403
    assert "not valid for this role" in stranger.json()["title"], "no reason is disclosed"
    own = register(zone, Host("as-01", SATELLITE, "10.1.1.1"), limits=limits)
    assert own.json()["approved"] is True


@pytest.mark.parametrize("role", [messages.MANAGED, SATELLITE])
def test_a_key_for_one_device_takes_over_this_device_while_it_is_in_contact(zone, role):
    real = zone.join("host-1", role, "10.1.1.1")
    real.refresh()
    limits = NO_LIMITS if role == messages.MANAGED else LIMITS
    again = Host("host-1", role, "10.1.1.1")
    given = register(zone, again, limits=KeyLimits(limits.domains, limits.networks, "host-1"))
    assert (given.json()["id"], given.json()["approved"]) == (real.id, True)


def test_a_key_for_one_server_takes_it_over_only_with_approved_names(zone):
    real = zone.join("as-01", SATELLITE, "10.1.1.1")
    real.refresh()
    limits = KeyLimits(BRANCH.domains, BRANCH.networks, "as-01")
    given = register(zone, Host("as-01", SATELLITE, "10.1.2.3"), limits=limits, **INSIDE).json()
    assert (given["id"] == real.id, given["approved"]) == (False, False)
    assert real.refresh()["approved"]
    second = Device.objects.get(pk=given["id"])
    assert second.outside_key["names"] == ["as-01.test.example"], "the name of the server"


def test_a_key_for_one_server_that_does_not_approve_does_not_take_it_over(zone):
    real = zone.join("as-01", SATELLITE, "10.1.1.1")
    real.refresh()
    again = Host("as-01", SATELLITE, "10.1.1.1")
    given = register(zone, again, approves=False, limits=KeyLimits(device="as-01")).json()
    assert (given["id"] == real.id, given["approved"]) == (False, False)
