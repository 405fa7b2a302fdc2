"""Revoked server certificates on the device (D-264)."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from tests.zac.conftest import registered
from tests.zac.support.listener import ADDRESS
from tests.zac.support.zone import Zone
from tests.zac.trust.test_signed_part import encode_signature_again
from wire import records
from wire.messages import ServerAddress
from zac.host import files
from zac.host.host import Host
from zac.network import calls
from zac.network.errors import CertificateRevoked
from zac.trust import pem, revocation
from zac.trust.signed_part import get_signed_part_digest
from zac.trust.store import Generation
from zac.updates import activation, refresh


def get_satellite(host: Host) -> ServerAddress:
    return next(one for one in host.home.zone_cache().servers if one.name == "sat")


def revoke(zone: Zone, host: Host, *, days: int = 30) -> None:
    """Put the certificate of a server, which expires in some days, on the trust list."""
    current = host.trust_store.current().server
    until = int(zone.now()) + days * 86400
    digest = get_signed_part_digest(pem.der(current))
    zone.listed = {"revoked": [digest], "revoked_until": [until]}


def renew(zone: Zone, host: Host) -> None:
    """Give a server another certificate."""
    generation = host.trust_store.current()
    host.trust_store.activate(records.replace(generation, server=zone.root.server(ADDRESS)))


def test_a_device_refuses_a_revoked_server_until_it_has_another_certificate(
    zone: Zone, device: Host, satellite: Host
) -> None:
    refresh.refresh(device)
    activation.contact_server(device, get_satellite(device))
    revoke(zone, satellite)
    refresh.refresh(device)
    with pytest.raises(CertificateRevoked, match="revoked"):
        activation.contact_server(device, get_satellite(device))
    renew(zone, satellite)
    activation.contact_server(device, get_satellite(device))


def test_it_is_refused_without_a_connection_to_the_console_and_after_the_list_has_expired(
    zone: Zone, device: Host, satellite: Host
) -> None:
    revoke(zone, satellite)
    refresh.refresh(device)
    cache = device.home.zone_cache()
    assert cache.trust_list is not None
    expired = records.replace(cache.trust_list, expires_at=1.0)
    device.home.save_zone_cache(records.replace(cache, trust_list=expired))
    with pytest.raises(CertificateRevoked):
        activation.contact_server(device, get_satellite(device))


def test_no_request_reaches_a_revoked_server(zone: Zone, device: Host) -> None:
    zone.listed = {"revoked": [get_signed_part_digest(zone.servers[0].der)]}
    refresh.refresh(device)
    heard = len(zone.heard)
    with pytest.raises(calls.NoTrustedServer, match="revoked") as caught:
        refresh.refresh(device)
    assert "new certificate" in caught.value.action
    assert "zac recover" not in caught.value.action
    assert len(zone.heard) == heard


def test_a_signature_in_another_form_is_revoked_too(zone: Zone, device: Host) -> None:
    leaf = ssl.PEM_cert_to_DER_cert(zone.root.leaf(zone.root.key.public_key(), ADDRESS))
    zone.listed = {"revoked": [get_signed_part_digest(leaf)]}
    refresh.refresh(device)
    for form in (leaf, encode_signature_again(leaf)):
        assert revocation.is_revoked(device.home, device.trust_store, form)


def test_a_list_without_the_entry_does_not_make_it_valid_again(
    zone: Zone, device: Host, satellite: Host
) -> None:
    """A revocation is permanent (D-282). Who can write to the database could delete it."""
    revoke(zone, satellite)
    refresh.refresh(device)
    zone.listed = {}
    refresh.refresh(device)
    refresh.refresh(device)
    with pytest.raises(CertificateRevoked):
        activation.contact_server(device, get_satellite(device))
    renew(zone, satellite)
    activation.contact_server(device, get_satellite(device))


def test_it_is_forgotten_after_the_certificate_has_expired(
    zone: Zone, device: Host, satellite: Host
) -> None:
    revoke(zone, satellite, days=2)
    refresh.refresh(device)
    zone.listed = {}
    for days, expected in ((1, 1), (3, 0)):
        zone.shift = days * 86400.0
        refresh.refresh(device)
        accepted = device.home.zone_cache().trust_list
        assert accepted is not None
        assert len(accepted.revoked) == len(accepted.revoked_until) == expected


def test_a_list_of_the_previous_console_is_used_as_it_is(
    zone: Zone, device: Host, satellite: Host
) -> None:
    """It does not say when the certificates expire."""
    revoke(zone, satellite)
    zone.listed.pop("revoked_until")
    refresh.refresh(device)
    with pytest.raises(CertificateRevoked):
        activation.contact_server(device, get_satellite(device))
    zone.listed = {}
    refresh.refresh(device)
    activation.contact_server(device, get_satellite(device))


def test_a_server_accepts_its_own_revoked_certificate(
    zone: Zone, new_host: Callable[..., Host]
) -> None:
    """The agent of the only Primary Server gets its new certificate from its own console."""
    server = registered(zone, new_host("own"))
    key_and_chain = (files.read(str(zone.servers[0].path)) or b"").decode()
    trust = server.trust_store.current().trust
    server.trust_store.activate(Generation(trust, key_and_chain))
    zone.listed = {"revoked": [get_signed_part_digest(zone.servers[0].der)]}
    refresh.refresh(server)
    refresh.refresh(server)
