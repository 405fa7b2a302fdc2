"""TLS of the agent: nothing but the given roots, names always, dates by zone time (RFC 9525)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pki.certificates.constraints import NameConstraints
from tests.zac.conftest import registered
from tests.zac.support.certificates import DAY, Root, now
from tests.zac.support.zone import ADDRESS, Zone, read_lines
from zac.host.clock import Clock
from zac.host.host import Host
from zac.network import calls
from zac.network.errors import BadAddress, CertificateRejected, Unreachable
from zac.network.tls import Transport
from zac.updates import refresh

NewHost = Callable[..., Host]


def reach(zone: Zone, *roots: Root) -> str:
    with Transport(Clock("")).verified(zone.servers[0].url, [root.pem for root in roots]) as line:
        line.send("GET", "/contact")
        return line.peer.anchored


def test_it_tells_which_root_verified(zone: Zone) -> None:
    other = Root("Zone CA 2")
    zone.servers[0].show(other.server(ADDRESS) + zone.root.bridge(other))
    assert reach(zone, zone.root) == zone.root.sha256
    assert reach(zone, other) == other.sha256
    assert reach(zone, zone.root, other) == other.sha256


def test_another_root_is_refused(zone: Zone) -> None:
    with pytest.raises(CertificateRejected):
        reach(zone, Root("Zone CA 1"))


def test_another_name_is_refused(zone: Zone) -> None:
    zone.servers[0].show(zone.root.server("127.0.0.9"))
    with pytest.raises(CertificateRejected, match="IP address mismatch"):
        reach(zone, zone.root)


def test_a_common_name_is_no_name(zone: Zone) -> None:
    """RFC 9525, 2: no fallback to the common name."""
    url = zone.servers[0].url.replace(ADDRESS, "localhost")
    with Transport(Clock("")).verified(good(zone, url), [zone.root.pem]) as line:
        assert line.peer.anchored == zone.root.sha256
    zone.servers[0].show(zone.root.nameless("localhost"))
    with pytest.raises(CertificateRejected), Transport(Clock("")).verified(url, [zone.root.pem]):
        pass


def good(zone: Zone, url: str) -> str:
    zone.servers[0].show(zone.root.server("localhost"))
    return url


def test_no_roots_means_no_contact(zone: Zone) -> None:
    with pytest.raises(CertificateRejected):
        reach(zone)


def test_nobody_there_is_not_a_refusal() -> None:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        url = f"https://{ADDRESS}:{probe.getsockname()[1]}"
        with (
            pytest.raises(Unreachable),
            Transport(Clock("")).verified(url, [Root().pem]),
        ):
            pass


def test_a_server_that_speaks_no_tls_is_not_a_refusal(zone: Zone) -> None:
    url = zone.servers[0].content_url.replace("http:", "https:")
    with pytest.raises(Unreachable), Transport(Clock("")).verified(url, [zone.root.pem]):
        pass


@pytest.mark.parametrize("url", ["", "127.0.0.1", "ftp://a", "https://", "https://a:b"])
def test_an_invalid_address_is_named_in_the_error(url: str) -> None:
    with pytest.raises(BadAddress), Transport(Clock("")).unverified(url):
        pass


@pytest.mark.parametrize("over_old_root", [False, True], ids=["new root", "cross-certificate"])
def test_name_constraints_of_a_root_are_enforced(zone: Zone, *, over_old_root: bool) -> None:
    """A thief of the CA key signs for a name outside, and the handshake fails (D-280).

    RFC 5280 leaves it to the verifier whether the constraints of a trust anchor apply.
    """
    limits = NameConstraints.parse(["zone.example"], [f"{ADDRESS}/32"]).to_extension()
    old, root = Root("Old CA"), Root("Zone CA 2", limits=limits)
    old.limits = limits  # a cross-certificate repeats those of its subject
    trusted, over = (old, old.bridge(root)) if over_old_root else (root, "")
    zone.servers[0].show(root.server(ADDRESS) + over)
    assert reach(zone, trusted) == trusted.sha256
    url = zone.servers[0].url.replace(ADDRESS, "localhost")
    zone.servers[0].show(root.server("localhost", ADDRESS) + over)
    for address in (url, zone.servers[0].url):
        with (
            pytest.raises(CertificateRejected, match="permitted subtree violation"),
            Transport(Clock("")).verified(address, [trusted.pem]),
        ):
            pass


@pytest.mark.parametrize("ids", [True, False])
def test_two_roots_of_one_name_do_not_hide_each_other(zone: Zone, *, ids: bool) -> None:
    first, again = Root("Same", ids=ids), Root("Same", ids=ids)
    for root in (first, again):
        zone.servers[0].show(root.server(ADDRESS))
        assert reach(zone, first, again) == root.sha256
        assert reach(zone, again, first) == root.sha256


@pytest.mark.parametrize("skew", [-7200.0, 7200.0, -25 * 3600.0, 500 * DAY, -500 * DAY])
def test_a_wrong_clock_costs_no_contact(zone: Zone, new_host: NewHost, skew: float) -> None:
    """F-28: OpenSSL judges by the real clock here, so the zone's time is what is shifted."""
    zone.shift = -skew
    begin = -skew / DAY
    root = Root("Zone CA 1", begin=begin - 1, days=begin + 3650)
    zone.root = root
    zone.trust = type(zone.trust)(root.pem)
    zone.servers[0].show(root.server(ADDRESS, days=(begin - 1, begin + 90)))
    host = registered(zone, new_host())
    refresh.refresh(host)
    again = Host(host.home)
    refresh.refresh(again)
    assert abs(again.clock.now() - zone.now()) < 5
    contacts = read_lines(Path(host.home.path_to("contact.jsonl")))
    assert [one for one in contacts if not one["ok"]] == []


@pytest.mark.parametrize("days", [400, -400])
def test_a_wrong_time_of_a_server_is_corrected(zone: Zone, device: Host, days: int) -> None:
    """D-190: a server with a wrong clock gave it, and each certificate then seems invalid."""
    refresh.refresh(device)
    device.clock.learn(zone.now() + days * DAY)
    refresh.refresh(device)
    assert abs(device.clock.now() - zone.now()) < 5
    assert not any(one["refused"] for one in read_lines(Path(device.home.path_to("contact.jsonl"))))


def test_a_clock_that_goes_wrong_later_costs_no_contact(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    shift = 400 * DAY
    zone.shift = shift
    zone.servers[0].show(zone.root.server(ADDRESS, days=(399.0, 500.0)))
    fresh = Host(device.home)
    refresh.refresh(fresh)
    assert abs(fresh.clock.now() - zone.now()) < 5
    assert not any(one["refused"] for one in read_lines(Path(device.home.path_to("contact.jsonl"))))


@pytest.mark.manual("R015")
def test_an_expired_certificate_stays_refused(zone: Zone, device: Host) -> None:
    zone.servers[0].show(zone.root.server(ADDRESS, days=(-10.0, -1.0)))
    with pytest.raises(CertificateRejected):
        reach(zone, zone.root)
    with pytest.raises(calls.NoTrustedServer):
        refresh.refresh(device)


def test_a_stranger_cannot_set_the_clock(zone: Zone, device: Host) -> None:
    """Only the zone key's word counts, not that of whoever holds an expired certificate."""
    zone.servers[0].show(zone.root.server(ADDRESS, days=(-10.0, -1.0)))
    zone.shift = -5 * DAY
    zone.signer = type(zone.signer)()
    with pytest.raises(calls.NoTrustedServer):
        refresh.refresh(device)
    assert abs(device.clock.now() - now()) < 60


def test_dates_are_judged_by_zone_time(zone: Zone, new_host: NewHost) -> None:
    """The local clock would accept this certificate; by the zone's time it has expired."""
    zone.shift = 30 * DAY
    host = registered(zone, new_host())
    zone.servers[0].show(zone.root.server(ADDRESS, days=(-1.0, 20.0)))
    with pytest.raises(calls.NoTrustedServer, match="expired"):
        refresh.refresh(host)
