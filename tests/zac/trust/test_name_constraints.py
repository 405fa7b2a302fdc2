"""A device whose root is limited to names rejects all other servers (D-280, D-281).

A thief of the CA key signs for other names. The roots and the other certificates are built like
those of the console.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pki.certificates.constraints import NameConstraints
from pki.names import Names
from tests.pki import factories
from tests.pki.certificates.test_constraints import forged
from tests.zac.conftest import registered
from tests.zac.support import zone as zones
from tests.zac.support.certificates import Root
from tests.zac.support.listener import ADDRESS, Server
from tests.zac.support.zone import Zone
from wire.messages import AUTHENTICATION_SATELLITE, ServerAddress, Trust
from wire.update_messages import PASSED, REJECTED
from zac.host.host import Host
from zac.network import calls
from zac.stacks import check
from zac.updates import preflight, refresh

LIMITS = NameConstraints.parse(["zone.example"], [f"{ADDRESS}/32"], ["guest.zone.example"])
ROOT, OLD = factories.ca(name_constraints=LIMITS), factories.ca("Old", which=1)
# What a device trusts, and what a server sends with its certificate.
PATHS = {"root": (ROOT, ""), "cross-certificate": (OLD, factories.cross_certificate(OLD, ROOT))}
INSIDE = Names(("one.zone.example",), (ADDRESS,))
OUTSIDE = {
    "another domain": Names(("one.other.example",), (ADDRESS,)),
    "also another domain": Names(("one.zone.example", "one.other.example"), (ADDRESS,)),
    "also another network": Names(("one.zone.example",), (ADDRESS, "192.0.2.1")),
    "excluded domain": Names(("one.guest.zone.example",), (ADDRESS,)),
}

NewHost = Callable[..., Host]


def show(server: Server, *chain: str) -> None:
    """Serve a certificate of the key of `factories` from the next handshake on."""
    server.show("".join([factories.key(), *chain]))


@pytest.fixture(params=PATHS)
def over(zone: Zone, request: pytest.FixtureRequest) -> str:
    """Let the zone have the limited root or the old one, and return what a server has to send."""
    root, over = PATHS[request.param]
    zone.trust = Trust(current=root.pem)
    show(zone.servers[0], factories.server(ROOT, names=INSIDE), over)
    return over


@pytest.mark.parametrize("case", OUTSIDE)
def test_no_request_reaches_a_server_with_a_name_outside(
    zone: Zone, over: str, new_host: NewHost, case: str
) -> None:
    host = registered(zone, new_host())
    refresh.refresh(host)
    show(zone.servers[0], forged(ROOT, OUTSIDE[case]), over)
    heard = len(zone.heard)
    with pytest.raises(calls.NoTrustedServer, match=r"(permitted|excluded) subtree violation"):
        refresh.refresh(host)
    assert zone.heard[heard:] == []
    show(zone.servers[0], factories.server(ROOT, names=INSIDE), over)
    refresh.refresh(host)
    assert len(zone.refreshes) == 2


def test_a_device_uses_the_other_servers(tmp_path: Path, new_host: NewHost) -> None:
    folder = tmp_path / "zone-2"
    folder.mkdir()
    with zones.running(folder, "s1", "s2") as zone:
        zone.trust = Trust(current=ROOT.pem)
        for server in zone.servers:
            show(server, factories.server(ROOT, names=INSIDE))
        host = registered(zone, new_host())
        show(zone.servers[0], forged(ROOT, OUTSIDE["another domain"]))
        refresh.refresh(host)
        assert len(zone.refreshes) == 1
        show(zone.servers[1], forged(ROOT, OUTSIDE["also another network"]))
        with pytest.raises(calls.NoTrustedServer, match="permitted subtree violation"):
            refresh.refresh(host)
        assert len(zone.refreshes) == 1


@pytest.mark.parametrize(
    ("name", "code"), [("one.zone.example", PASSED), ("one.other.example", REJECTED)]
)
def test_the_preflight_check_applies_the_limits_of_the_new_root(
    zone: Zone, device: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    monkeypatch.setenv(check.SELECTED, "")
    zone.lies[preflight.CHECK_PATH] = (200, {})
    new = Root("Zone CA 2", limits=LIMITS.to_extension())
    server = Server(zone, tmp_path, "s9")
    try:
        server.show(new.server(name, ADDRESS))
        address = ServerAddress("s9", "s9", "", AUTHENTICATION_SATELLITE, preflight_url=server.url)
        zone.others.append(address)
        zone.update(new)
        refresh.refresh(device)
    finally:
        server.close()
    [result] = zone.preflight_reports[-1].results
    assert (result.server, result.code) == ("s9", code)
    assert ("permitted subtree violation" in result.detail) == (code == REJECTED)
