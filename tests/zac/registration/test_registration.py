"""Registration: prove the zone, then say the secret (S-50 to S-53; D-51 of docs/decisions.md)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faults import Fault
from tests.zac.conftest import registered
from tests.zac.support.certificates import Root
from tests.zac.support.zone import Signer, Zone
from wire import metadata, records, registration_key
from wire.envelope import NotSigned
from wire.messages import HelloRequest, HelloResponse, Problem
from wire.metadata import IdentityStatement
from zac.host.host import Host
from zac.network import calls
from zac.network.calls import Rejected
from zac.network.contact import IdentityNotProven
from zac.network.errors import CertificateRejected, ServerBusy
from zac.registration import registration
from zac.registration.registration import RegistrationOptions, ZoneNotPinned
from zac.updates import refresh

NewHost = Callable[..., Host]


def secrets_sent(zone: Zone) -> bool:
    return any(zone.key.secret.encode() in body for _, _, _, body in zone.heard)


def lie(zone: Zone, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the zone sign a statement in which something is not true."""
    true = zone.greet

    def greet(server: Any, hello: HelloRequest) -> HelloResponse:
        statement = true(server, hello).statement
        told = metadata.verify_document(
            IdentityStatement, metadata.IDENTITY_STATEMENT, statement, zone.signer.keys
        )
        signed = zone.sign(metadata.IDENTITY_STATEMENT, records.replace(told, **changes))
        return HelloResponse(zone.signer.zone_pub, signed)

    monkeypatch.setattr(zone, "greet", greet)


def test_the_secret_is_said_once_and_over_verified_tls(zone: Zone, device: Host) -> None:
    assert [path for _, path, _, _ in zone.heard] == ["/zac/v1/hello", "/zac/v1/register"]
    assert device.device.zone_pub == zone.signer.zone_pub


def test_the_secret_lies_in_a_file_for_its_owner_alone(device: Host) -> None:
    assert Path(device.home.path_to("device.json")).stat().st_mode & 0o777 == 0o600


def test_a_key_of_another_zone_gives_nothing_away(zone: Zone, new_host: NewHost) -> None:
    foreign = registration_key.create(Signer().public)
    host = new_host()
    with pytest.raises(IdentityNotProven):
        registered(zone, host, key=str(foreign))
    assert [path for _, path, _, _ in zone.heard] == ["/zac/v1/hello"]
    assert host.home.device_or_none() is None


@pytest.mark.parametrize(
    "untruth",
    [{"nonce": "0" * 64}, {"host": "127.0.0.2"}, {"certificate_sha256": "0" * 64}, {"roots": []}],
    ids=str,
)
def test_a_statement_about_something_else_is_refused(
    zone: Zone, new_host: NewHost, monkeypatch: pytest.MonkeyPatch, untruth: dict[str, Any]
) -> None:
    lie(zone, monkeypatch, **untruth)
    with pytest.raises(IdentityNotProven):
        registered(zone, new_host())
    assert not secrets_sent(zone)


def test_a_statement_with_a_forged_signature_is_refused(
    zone: Zone, new_host: NewHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, forger = zone.greet, Signer()

    def greet(server: Any, hello: HelloRequest) -> HelloResponse:
        signed = true(server, hello).statement
        payload = base64.b64decode(signed.payload)
        forged = forger.key.sign(payload)
        return HelloResponse(
            zone.signer.zone_pub,
            records.replace(signed, signature=base64.b64encode(forged).decode()),
        )

    monkeypatch.setattr(zone, "greet", greet)
    with pytest.raises(NotSigned):
        registered(zone, new_host())
    assert not secrets_sent(zone)


@pytest.mark.parametrize("path", ["/zac/v1/hello", "/zac/v1/register"])
def test_a_busy_server_is_not_reported_as_a_wrong_zone(
    zone: Zone, new_host: NewHost, path: str
) -> None:
    zone.lies[path] = 429, Problem("Too many requests", 429)
    with pytest.raises(ServerBusy) as caught:
        registered(zone, new_host())
    assert caught.value.retry_after == 7
    assert "is busy" in str(caught.value)


def test_roots_that_do_not_verify_the_server_get_no_secret(
    zone: Zone, new_host: NewHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie(zone, monkeypatch, roots=[Root("Another CA").pem])
    with pytest.raises(CertificateRejected):
        registered(zone, new_host())
    assert not secrets_sent(zone)


def test_without_key_and_pin_nothing_is_asked(zone: Zone, new_host: NewHost) -> None:
    with pytest.raises(ZoneNotPinned):
        registered(zone, new_host(), key="")
    assert zone.heard == []


@pytest.mark.parametrize("answer", [True, False])
def test_trust_on_first_use_asks_for_the_fingerprint(
    zone: Zone, new_host: NewHost, *, answer: bool
) -> None:
    shown = []

    def confirm(fingerprint: str) -> bool:
        shown.append(fingerprint)
        return answer

    host = new_host()
    with pytest.raises(Rejected if answer else IdentityNotProven):
        registered(zone, host, key="", confirm_fingerprint=confirm)
    assert shown == [registration.zone_fingerprint(zone.signer.public)]


@pytest.mark.parametrize("right", [True, False])
def test_a_fingerprint_stands_for_the_pin(zone: Zone, new_host: NewHost, *, right: bool) -> None:
    public = zone.signer.public if right else Signer().public
    fingerprint = registration.zone_fingerprint(public)
    with pytest.raises(Rejected if right else IdentityNotProven):
        registered(zone, new_host(), key="", fingerprint=fingerprint)


def test_a_refused_registration_leaves_the_device_as_it_was(zone: Zone, device: Host) -> None:
    before = device.home.device()
    unknown = registration_key.create(zone.signer.public)
    with pytest.raises(Rejected, match="not valid"):
        registered(zone, device, key=str(unknown))
    assert device.home.device() == before
    refresh.refresh(device)


def test_a_device_returns_by_its_old_identity(zone: Zone, device: Host) -> None:
    before = device.device
    registered(zone, device, key="")
    assert device.device.id == before.id
    assert device.device.secret != before.secret
    assert zone.registers[-1].key is None
    refresh.refresh(device)


def test_a_stranger_cannot_return(zone: Zone, device: Host) -> None:
    forged = records.replace(device.device, secret="0" * 64)
    device.home.save_device(forged)
    with pytest.raises(Rejected):
        registered(zone, device, key="")


@pytest.mark.manual("R215")
def test_a_reimaged_device_gets_the_current_trust_at_once(zone: Zone, new_host: NewHost) -> None:
    """The manual's A.3."""
    future = Root("Zone CA 2")
    old = zone.root
    zone.trust = records.replace(zone.trust, current=future.pem, in_grace=[old.pem])
    zone.servers[0].show(future.server("127.0.0.1"))
    zone.epoch = 1
    host = registered(zone, new_host())
    refresh.refresh(host)
    assert host.state.load().epoch == 1


def test_another_zone_starts_from_nothing(zone: Zone, device: Host, tmp_path: Path) -> None:
    device.state.update(lambda held: records.replace(held, epoch=5))
    zone.signer = Signer()
    zone.id = "zone-2"
    zone.key = registration_key.create(zone.signer.public)
    registered(zone, device)
    assert device.device.zone == "zone-2"
    assert device.state.load().epoch == 0


def test_a_replayed_request_changes_nothing(zone: Zone, device: Host) -> None:
    """S-56."""
    refresh.refresh(device)
    _, path, authorization, body = next(one for one in zone.heard if "refresh" in one[1])
    heard = len(zone.refreshes)
    with device.transport.verified(zone.servers[0].url, [zone.root.pem]) as line:
        answer = line.send("POST", path, body, {"Authorization": authorization})
    assert answer.status == 401
    assert len(zone.refreshes) == heard


def test_a_counter_is_on_disk_before_it_is_used(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    again = Host(device.home)
    refresh.refresh(again)
    counters = [one[2].split("counter=")[1].split(",")[0] for one in zone.heard if one[2]]
    assert counters == sorted(set(counters), key=int)


def test_a_restored_image_is_told_to_register_again(zone: Zone, device: Host) -> None:
    """S-57."""
    refresh.refresh(device)
    Path(device.home.path_to("counter")).write_text("0")
    with pytest.raises(Fault) as caught:
        calls.send(device, "/zac/v1/refresh", {})
    assert "zac reg" in caught.value.action


def test_a_device_that_registers_again_keeps_the_values_that_are_not_given(
    zone: Zone, new_host: NewHost
) -> None:
    given = {"name": "d9", "fqdn": "d9.zone1.test", "parent": "s1", "addresses": ["10.0.0.1"]}
    host = registered(zone, new_host(), **given)
    registered(zone, host, name="", addresses=["10.0.0.2"])
    assert {**given, "addresses": ["10.0.0.2"]} == {
        name: getattr(host.device, name) for name in given
    }
    assert zone.registers[-1].name == "d9"


def test_options_are_kept(zone: Zone, new_host: NewHost) -> None:
    host = registered(zone, new_host(), name="d9", parent="s1", addresses=["10.0.0.1"])
    told = RegistrationOptions(
        url=zone.servers[0].url, name="d9", parent="s1", addresses=["10.0.0.1"]
    )
    assert host.device.url == told.url
    assert (host.device.name, host.device.parent) == ("d9", "s1")
    assert zone.registers[-1].addresses == ["10.0.0.1"]
