"""The signed trust list on the device: what it accepts, rejects, and reports (D-150)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.zac.conftest import registered
from tests.zac.support.certificates import Root
from tests.zac.support.listener import ADDRESS
from tests.zac.support.zone import Signer, Zone
from wire import authentication, messages, metadata, records
from wire.messages import ServerAddress, Trust
from zac.host.home import AcceptedTrustList
from zac.host.host import Host
from zac.network.contact import IdentityNotProven
from zac.trust import store, trust_list
from zac.trust.store import with_trust
from zac.updates import refresh

DAY = 86_400


def get_roots(host: Host) -> list[str]:
    return store.digests(host.trust_store.current().trust)


def get_reasons(host: Host) -> list[str]:
    return host.state.load().rejected_documents


@pytest.mark.manual("R088")
def test_a_refresh_stores_the_servers_and_the_version_of_the_list(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    cache = device.home.zone_cache()
    assert [server.url for server in cache.servers] == [zone.servers[0].url]
    assert cache.trust_list is not None
    assert cache.trust_list.roots_sha256 == [zone.root.sha256]
    refresh.refresh(device)
    assert zone.refreshes[-1].trust_version == cache.trust_list.version


def test_unsigned_roots_and_servers_are_never_used(zone: Zone, device: Host) -> None:
    """An attacker with a certificate that verifies adds a root to the response (attack A2)."""
    refresh.refresh(device)
    evil = ServerAddress("evil", "evil", "", messages.PRIMARY, url="https://192.0.2.1:1")
    zone.signs_trust_lists = zone.signs_responses = False
    zone.trust = Trust(Root("Evil CA").pem, in_grace=[zone.root.pem])
    zone.others = [evil]
    refresh.refresh(device)
    assert get_roots(device) == [zone.root.sha256]
    assert "evil" not in [server.name for server in device.home.zone_cache().servers]


def test_a_console_of_the_previous_version_still_announces_servers_but_no_roots(
    zone: Zone, device: Host
) -> None:
    device.home.save_zone_cache(
        records.replace(
            device.home.zone_cache(), trust_list=None, has_authentic_responses=False, servers=[]
        )
    )
    zone.use_previous_answers()
    zone.trust = Trust(zone.root.pem, pending=[Root("Zone CA 2").pem])
    refresh.refresh(device)
    assert [server.url for server in device.home.zone_cache().servers] == [zone.servers[0].url]
    assert get_roots(device) == [zone.root.sha256]
    assert get_reasons(device) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"zone": "zone-2"}, "belongs to a different zone"),
        ({"version": 1}, "already has version"),
        ({"expires_at": 1}, "has expired"),
    ],
)
def test_an_unacceptable_list_is_rejected_and_reported(
    zone: Zone, device: Host, change: dict[str, Any], reason: str
) -> None:
    refresh.refresh(device)
    zone.listed = {"trust": Trust(Root("Zone CA 2").pem), **change}
    refresh.refresh(device)
    assert get_roots(device) == [zone.root.sha256]
    assert [text for text in get_reasons(device) if reason in text] != []
    zone.listed = {}
    refresh.refresh(device)
    assert reason in zone.refreshes[-1].rejected_documents[0]


def test_a_list_signed_by_a_stranger_is_rejected(zone: Zone, device: Host) -> None:
    zone.trust = Trust(Root("Zone CA 2").pem)
    zone.signer, honest = Signer(), zone.signer
    refresh.refresh(device)
    zone.signer = honest
    assert get_roots(device) == [zone.root.sha256]
    assert "not signed with the key" in get_reasons(device)[0]


def test_a_list_with_a_damaged_root_is_rejected(zone: Zone, device: Host) -> None:
    zone.listed = {"trust": Trust(zone.root.pem, pending=["no certificate"])}
    refresh.refresh(device)
    assert get_roots(device) == [zone.root.sha256]
    assert get_reasons(device) != []


def test_a_withheld_list_is_reported_when_it_has_expired(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    zone.signs_trust_lists = False
    zone.shift = 8 * DAY
    refresh.refresh(device)
    assert "trust list in use has expired" in get_reasons(device)[0]
    assert get_roots(device) == [zone.root.sha256]


@pytest.mark.parametrize(("age", "reported"), [(0, 5), (3 * DAY, 5), (4 * DAY, 0)])
def test_a_new_list_is_requested_in_the_second_half_of_its_validity(
    device: Host, age: int, reported: int
) -> None:
    accepted = AcceptedTrustList(5, 0, 7 * DAY, [])
    assert trust_list.get_version_to_report(accepted, age) == reported


def trust_foreign_root(host: Host, evil: Root) -> None:
    """Make a root that the zone never issued the current one, as agents before the list did."""
    generation = host.trust_store.current()
    trust = Trust(evil.pem, in_grace=[generation.trust.current])
    host.trust_store.activate(with_trust(generation, trust))


def test_a_foreign_root_disappears_with_the_list(zone: Zone, device: Host) -> None:
    trust_foreign_root(device, Root("Evil CA"))
    refresh.refresh(device)
    assert get_roots(device) == [zone.root.sha256]


def test_a_foreign_root_disappears_although_a_server_is_down(zone: Zone, device: Host) -> None:
    trust_foreign_root(device, Root("Evil CA"))
    zone.others = [records.replace(zone.servers[0].address(), url="https://127.0.0.1:9")]
    refresh.refresh(device)
    assert get_roots(device) == [zone.root.sha256]


def test_no_root_is_removed_that_a_server_needs(zone: Zone, device: Host) -> None:
    """A restored database does not know the CA that the servers use."""
    newer = Root("Zone CA 2")
    generation = device.trust_store.current()
    device.trust_store.activate(with_trust(generation, Trust(zone.root.pem, in_grace=[newer.pem])))
    zone.servers[0].show(newer.server(ADDRESS))
    refresh.refresh(device)
    assert get_roots(device) == [zone.root.sha256, newer.sha256]


def test_unsigned_instructions_without_a_mac_are_not_obeyed(zone: Zone, device: Host) -> None:
    """A satellite answers in place of the console, and tells the device to ignore an update."""
    refresh.refresh(device)
    zone.signs_responses = False
    zone.update(Root("Zone CA 2"))
    zone.offer = records.replace(zone.offer, ignored=["update-1"])
    zone.refresh_s = 500_000.0
    refresh.refresh(device)
    assert device.state.load().updates["update-1"].step == "armed"
    assert device.home.zone_cache().refresh_s == 1.0
    assert "valid MAC" in get_reasons(device)[0]


def test_a_mac_is_valid_for_one_request() -> None:
    first = authentication.sign_response("00" * 32, "aa", status=200, body=b"{}")
    for request, status, body in (("bb", 200, b"{}"), ("aa", 201, b"{}"), ("aa", 200, b"[]")):
        assert not authentication.verify_response(
            "00" * 32, request, status=status, body=body, response_mac=first
        )
    assert authentication.verify_response(
        "00" * 32, "aa", status=200, body=b"{}", response_mac=first
    )


def test_the_clock_follows_only_the_console(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    before = device.clock.now()
    zone.signs_responses = False
    zone.shift = 300 * DAY
    refresh.refresh(device)
    assert device.clock.now() - before < DAY


def test_registration_takes_roots_from_the_signed_list(zone: Zone, new_host: Any) -> None:
    zone.listed = {"trust": Trust(zone.root.pem, pending=[Root("Zone CA 2").pem])}
    host = new_host("new")
    registered(zone, host)
    assert len(get_roots(host)) == 2
    assert host.home.zone_cache().has_authentic_responses


@pytest.mark.parametrize("removed", ["list", "root"])
def test_registration_without_the_list_that_the_console_has_is_refused(
    zone: Zone, new_host: Any, removed: str
) -> None:
    """A server with a certificate of the zone removes the list, or offers a root of its own."""
    if removed == "root":
        zone.use_previous_answers()
    original = zone.register

    def register(*arguments: Any) -> Any:
        status, response = original(*arguments)
        trust = Trust(zone.root.pem, in_grace=[Root("Evil CA").pem])
        return status, records.replace(response, trust_list=None, trust=trust)

    zone.register = register  # type: ignore[assignment]  # the attacker in front of the console
    host = new_host("new")
    with pytest.raises(IdentityNotProven):
        registered(zone, host)
    assert not host.trust_store.exists()


def test_registration_with_a_console_of_the_previous_version_works(
    zone: Zone, new_host: Any
) -> None:
    zone.use_previous_answers()
    zone.trust = Trust(zone.root.pem, pending=[Root("Zone CA 2").pem])
    host = new_host("new")
    registered(zone, host)
    assert len(get_roots(host)) == 2
    assert metadata.TRUST_LIST.endswith("trust-list+json")
