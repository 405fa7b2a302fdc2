"""The trust list that the console signs (D-150), and the MAC of responses (D-151)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.trust import trust_list
from devices.identity import zone_keys
from devices.models import Zone
from devices.zone import settings as zone_settings
from pki.certificates import details
from wire import authentication, json_codec
from wire.envelope import Envelope
from wire.metadata import TRUST_LIST, TrustList, verify_document


def read(zone: Any, answer: dict[str, Any]) -> TrustList:
    envelope = json_codec.build(Envelope, answer["trust_list"], "trust_list")
    return verify_document(TrustList, TRUST_LIST, envelope, zone_keys.get_public_keys(zone.zone))


def test_a_device_receives_the_signed_list_of_roots_and_servers(zone: Any) -> None:
    device = zone.join("pc-01")
    listed = read(zone, device.answer)
    assert listed == read(zone, device.refresh(trust_version=0))
    assert [server.name for server in listed.servers] == ["ps-01"]
    assert details.get_details(listed.trust.current).sha256
    now = timezone.now().timestamp()
    assert listed.issued_at <= now < listed.expires_at - trust_list.MIN_VALIDITY.total_seconds()
    assert (listed.zone, listed.version) == (str(zone.zone.guid), zone.zone.revision)


def test_unsigned_roots_and_servers_are_sent_to_older_agents_only(zone: Any) -> None:
    device = zone.join("pc-01")
    assert device.refresh()["trust"]["current"].startswith("-----BEGIN")
    newer = device.refresh(trust_version=0)
    assert "trust" not in newer
    assert "servers" not in newer


def test_an_unchanged_list_is_not_sent_again(zone: Any) -> None:
    device = zone.join("pc-01")
    version = read(zone, device.answer).version
    assert device.refresh(trust_version=version)["trust_list"] is None
    zone.join("as-01", "authentication-satellite", "127.9.0.21")
    changed = read(zone, device.refresh(trust_version=version))
    assert changed.version > version
    assert [server.name for server in changed.servers] == ["ps-01", "as-01"]


def test_the_setting_for_operating_systems_is_part_of_the_signed_list(zone: Any) -> None:
    device = zone.join("pc-01")
    assert read(zone, device.answer).system_trust is False
    zone_settings.save_zone_settings({"system_trust": True})
    assert read(zone, device.refresh(trust_version=0)).system_trust is True


def test_a_list_outlives_several_refreshes(zone: Any) -> None:
    zone_settings.save_zone_settings({"refresh_seconds": 7 * 86_400})
    listed = read(zone, zone.join("pc-01").answer)
    assert listed.expires_at - listed.issued_at == (4 * 7 + 1) * 86_400
    assert listed.refresh_s == 7 * 86_400


def test_the_list_is_signed_anew_each_day(zone: Any) -> None:
    now = timezone.now()
    today, tomorrow = (
        trust_list.get_trust_list(zone.zone, now=now + timedelta(days=days)) for days in (0, 1)
    )
    assert today != tomorrow


def test_versions_keep_increasing_after_a_restore(zone: Any) -> None:
    """A device that has a newer list than the restored database receives lists again."""
    device = zone.join("pc-01")
    newer = zone.zone.revision + 50
    an_hour_ago = int((timezone.now() - timedelta(hours=1)).timestamp() * 1000)
    Zone.objects.update(revision=an_hour_ago)
    listed = read(zone, device.refresh(trust_version=newer))
    assert listed.version >= newer


@pytest.mark.parametrize("reported", [2**53, "soon"])
def test_a_device_cannot_choose_the_version(zone: Any, reported: Any) -> None:
    Zone.objects.advance_revision()
    device = zone.join("pc-01")
    before = zone.zone.revision
    claimed = before + 10**9 if reported == "soon" else reported
    device.refresh(trust_version=claimed)
    first = zone.zone.revision
    device.refresh(trust_version=claimed)
    assert zone.zone.revision == first == before, "at most once a minute"
    later = timezone.now() + timedelta(minutes=5)
    zone_row = trust_list.exceed_version(zone.zone, claimed, now=later)
    assert before < zone_row.revision < claimed


def test_a_response_has_a_mac_for_its_request(zone: Any) -> None:
    device = zone.join("pc-01")
    response = device.send("POST", "/zac/v1/refresh", {"time": 0.0, "agent": "0.1.0"})
    sent = authentication.parse_header(response.wsgi_request.headers["Authorization"])
    assert authentication.verify_response(
        device.secret,
        sent.mac,
        status=200,
        body=response.content,
        response_mac=response.headers[authentication.RESPONSE_MAC],
    )


def test_the_last_response_of_a_device_has_a_mac_too(zone: Any) -> None:
    """Unregistering changes the credential epoch."""
    device = zone.join("pc-01")
    response = device.send("POST", "/zac/v1/unregister")
    sent = authentication.parse_header(response.wsgi_request.headers["Authorization"])
    expected = authentication.sign_response(device.secret, sent.mac, status=204, body=b"")
    assert response.headers[authentication.RESPONSE_MAC] == expected


def test_an_unknown_device_receives_no_mac(zone: Any) -> None:
    device = zone.join("pc-01")
    response = device.send("POST", "/zac/v1/refresh", {"time": 0.0}, {"secret": "00" * 32})
    assert response.status_code == 401
    assert authentication.RESPONSE_MAC not in response.headers
