"""The proposed name constraints permit all servers, and nothing that belongs to others."""

from __future__ import annotations

import pytest

from certificates.name_constraints import proposal
from certificates.name_constraints.proposal import build_proposal
from devices.registration import registration
from pki.certificates.constraints import MAX_ENTRIES
from pki.names import Names
from wire import messages

CASES = {
    "one domain": (["a.corp.example", "b.corp.example"], ["corp.example"]),
    "a domain in another": (["a.corp.example", "b.eu.corp.example"], ["corp.example"]),
    "two domains": (["a.eu.corp.example", "b.acme.example"], ["acme.example", "eu.corp.example"]),
    "similar names": (["a.corp.example", "b.acorp.example"], ["acorp.example", "corp.example"]),
    "no top-level domain": (["server.local"], ["server.local"]),
    "no public suffix": (["acme.co.uk", "acme.com.au"], ["acme.co.uk", "acme.com.au"]),
    "a registered domain": (["www.acme.co.uk"], ["acme.co.uk"]),
    "a wildcard": (["*.corp.example"], ["corp.example"]),
    "a name that is not valid": (["a.corp.example", "a_b.corp.test", "single"], ["corp.example"]),
    "upper case": (["A.Corp.Example"], ["corp.example"]),
}


@pytest.mark.parametrize("case", CASES)
def test_domains_are_as_few_and_as_small_as_possible(case):
    given, expected = CASES[case]
    assert build_proposal(given).domains == tuple(expected)


@pytest.mark.parametrize(
    ("addresses", "networks"),
    [
        (["10.1.1.1", "10.1.1.200"], ["10.1.1.0/24"]),
        (["10.1.0.1", "10.1.1.1", "192.168.7.7"], ["10.1.0.0/23", "192.168.7.0/24"]),
        (["8.8.8.8"], ["8.8.8.8/32"]),
        (["fd00::1", "fd00::2", "10.1.1.1"], ["10.1.1.0/24", "fd00::/64"]),
        (["2600::1"], ["2600::1/128"]),
    ],
)
def test_networks_have_a_usual_size_and_public_addresses_stand_alone(addresses, networks):
    found = build_proposal(["a.corp.example", *addresses])
    assert found.rules.find_outside(Names(("a.corp.example",), tuple(addresses))) == ()
    assert list(found.networks) == networks


@pytest.mark.parametrize("first", [10, 8], ids=["private", "public"])
def test_many_addresses_get_larger_networks(first):
    addresses = tuple(f"{first}.{n}.{m}.1" for n in (0, 2, 4) for m in range(0, 100, 2))
    found = build_proposal(["a.corp.example", *addresses])
    assert found.rules.find_outside(Names((), addresses)) == ()
    assert len(found.networks) <= MAX_ENTRIES


def test_many_domains_become_their_parents():
    names = [f"s.d{n}.corp.example" for n in range(MAX_ENTRIES + 1)]
    assert build_proposal(names).domains == ("corp.example",)


def test_records_and_certificates_of_servers_count_and_managed_devices_do_not(zone):
    zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "10.7.7.7")
    zone.join("pc-01", address="172.16.1.1")
    registration.save_dns_names(zone.device(zone.first), ["www.shop.example"], may_add_names=True)
    found = proposal.propose()
    assert found.domains == ("shop.example", "test.example")
    assert found.networks == ("10.7.7.0/24", "127.9.0.0/24")
    assert proposal.get_current() is None
