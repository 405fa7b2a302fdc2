"""The second zone key on the device (D-175): it is stored at once, and then required."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from pki.protection import second_key
from tests.zac.conftest import registered
from tests.zac.support.certificates import Root
from tests.zac.support.zone import Zone
from tests.zac.test_remint_tool import Build, build
from wire import metadata, records
from wire.envelope import NotSigned, pre_authentication_encoding
from wire.messages import Trust
from wire.metadata import ActivationNotice, Cancellation, Retirement
from zac.cli import commands, output
from zac.host.host import Host
from zac.network.contact import IdentityNotProven
from zac.registration import registration
from zac.registration.registration import RegistrationOptions
from zac.trust import recovery, store
from zac.updates import refresh

assert build

SECOND = second_key.generate_second_key()


@pytest.fixture
def stolen(zone: Zone, device: Host) -> Zone:
    """Introduce the second key; from then on, an attacker signs with the real Ed25519 key only."""
    introduce(zone)
    refresh.refresh(device)
    assert device.device.second_pub == zone.signer.second_pub
    zone.signer.second = ""
    return zone


def introduce(zone: Zone) -> None:
    zone.signer.second = SECOND
    zone.signer.second_pub = second_key.get_public_key(SECOND)


def get_roots(host: Host) -> list[str]:
    return store.digests(host.trust_store.current().trust)


def get_reasons(host: Host) -> str:
    return "\n".join(host.state.load().rejected_documents)


def test_a_device_of_a_zone_without_a_second_key_stores_none(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    assert device.device.second_pub == ""


def test_a_registration_stores_the_key(zone: Zone, new_host: Callable[..., Host]) -> None:
    introduce(zone)
    host = registered(zone, new_host("new"))
    assert host.device.second_pub == zone.signer.second_pub


def test_a_refresh_stores_the_key_and_keeps_the_identity(zone: Zone, device: Host) -> None:
    before = device.device
    introduce(zone)
    refresh.refresh(device)
    assert device.device == records.replace(before, second_pub=zone.signer.second_pub)
    assert "signatures       two keys" in output.status_text(device)
    assert refresh.refresh(device).trust is not None, "lists with both signatures are accepted"


def test_a_key_that_did_not_sign_the_list_is_not_stored(zone: Zone, device: Host) -> None:
    zone.listed = {"second_key": second_key.get_public_key(SECOND)}
    refresh.refresh(device)
    assert device.device.second_pub == ""
    assert "second key" in get_reasons(device)


def test_a_forged_list_changes_nothing(stolen: Zone, device: Host) -> None:
    before = get_roots(device)
    stolen.trust = Trust(Root("Evil CA").pem, in_grace=[stolen.root.pem])
    refresh.refresh(device)
    assert get_roots(device) == before
    assert "not signed with the second key" in get_reasons(device)
    refresh.refresh(device)
    assert "second key" in stolen.refreshes[-1].rejected_documents[0], "it is reported"


def test_the_stored_key_cannot_be_replaced(stolen: Zone, device: Host) -> None:
    before = device.device
    stolen.signer.second = second_key.generate_second_key()
    stolen.signer.second_pub = second_key.get_public_key(stolen.signer.second)
    refresh.refresh(device)
    # Even if the old key has signed it, too.
    stolen.listed = {"second_key": stolen.signer.second_pub}
    stolen.signer.second = SECOND
    refresh.refresh(device)
    assert device.device == before
    assert "different second zone key" in get_reasons(device)


def test_a_forged_manifest_is_not_started(stolen: Zone, device: Host) -> None:
    stolen.update(Root("Evil CA"))
    refresh.refresh(device)
    assert device.state.load().updates == {}
    assert "manifest: The document is not signed with the second key" in get_reasons(device)


def test_forged_notices_have_no_effect(stolen: Zone, device: Host) -> None:
    before = get_roots(device)
    stolen.notify(Retirement(stolen.id, 1, before))
    stolen.notify(Cancellation("update-1", stolen.id, 1))
    refresh.refresh(device)
    held = device.state.load()
    assert (get_roots(device), held.retirements, held.canceled) == (before, [], {})


def test_a_forged_recovery_notice_does_not_move_a_lost_device(stolen: Zone, device: Host) -> None:
    before = get_roots(device)
    made = stolen.update(Root("Evil CA"))
    manifest = stolen.sign(metadata.MANIFEST, made)
    notice = ActivationNotice(made.id, stolen.id, made.epoch, made.root_sha256, manifest)
    stolen.recovery = [stolen.sign(metadata.ACTIVATION_NOTICE, notice)]
    with pytest.raises(recovery.RecoveryFailed):
        recovery.recover(device)
    assert get_roots(device) == before


def test_a_forged_tool_is_refused(stolen: Zone, device: Host, build: Build) -> None:
    before = get_roots(device)
    tool = build(stolen.update(Root("Evil CA")))
    assert commands.main(["--home", device.home.path, "remint", tool]) == 6
    assert get_roots(device) == before


def test_a_tool_needs_both_signature_files(
    stolen: Zone, device: Host, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = build(stolen.update(Root("Zone CA 2")))
    encoded = pre_authentication_encoding(metadata.REMINT_TOOL, Path(tool).read_bytes())
    Path(tool + ".sig").write_bytes(base64.b64encode(stolen.signer.key.sign(encoded)))
    arguments = ["--home", device.home.path, "verify-tool", tool]
    assert commands.main(arguments) == 1
    assert "tool.bin.sig2 does not exist" in capsys.readouterr().err
    Path(tool + ".sig2").write_bytes(base64.b64encode(second_key.sign(SECOND, b"other")))
    assert commands.main(arguments) == 6
    Path(tool + ".sig2").write_bytes(base64.b64encode(second_key.sign(SECOND, encoded)))
    assert commands.main(arguments) == 0


@pytest.mark.parametrize("without_list", [False, True])
def test_a_returning_device_requires_the_second_key(
    stolen: Zone, device: Host, *, without_list: bool
) -> None:
    """Neither with a forged list, nor as if the console were of a version without lists."""
    before = (get_roots(device), device.device)
    stolen.trust = Trust(Root("Evil CA").pem, in_grace=[stolen.root.pem])
    if without_list:
        stolen.use_previous_answers()
    options = RegistrationOptions(url=device.device.url)
    with pytest.raises((NotSigned, IdentityNotProven)):
        registration.register(device, options)
    assert (get_roots(device), device.device) == before


def test_a_returning_device_keeps_the_key(zone: Zone, device: Host) -> None:
    introduce(zone)
    refresh.refresh(device)
    registration.register(device, RegistrationOptions(url=device.device.url))
    assert device.device.second_pub == zone.signer.second_pub


def test_a_stored_notice_is_replaced_by_the_one_with_both_signatures(
    zone: Zone, satellite: Host
) -> None:
    """The zone signs its notices again when it gets its second key."""
    made = zone.update(Root("Zone CA 2"))
    offered = zone.offer.updates[0]
    zone.offer = records.replace(zone.offer, updates=[])
    notice = ActivationNotice(made.id, zone.id, made.epoch, made.root_sha256, offered)
    zone.notify(notice)
    refresh.refresh(satellite)
    introduce(zone)
    zone.offer = records.replace(zone.offer, notices=[])
    newer = zone.notify(notice)
    refresh.refresh(satellite)
    assert satellite.home.recovery_notices().notices == [newer]
