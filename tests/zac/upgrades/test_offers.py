"""What a device checks before it tries another version of the agent."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pki.protection import second_key
from tests.support.agent_programs import BUILD, NEW, build_version
from tests.zac.support.certificates import Root
from tests.zac.support.crash import MOMENTS, Died, DyingOs, calls_of
from tests.zac.support.zone import Signer, Zone
from tests.zac.upgrades.conftest import build_offer
from wire import records
from wire.messages import FEATURE_AGENT_UPGRADE
from wire.update_messages import NOT_UPGRADED, UPGRADED, AgentOffer
from zac import RELEASE, VERSION
from zac.host import files
from zac.host.home import Home
from zac.host.host import Host
from zac.updates import refresh
from zac.upgrades import installation, offers, programs
from zac.upgrades.programs import UpgradeRecord


@pytest.fixture(autouse=True)
def archive(monkeypatch: pytest.MonkeyPatch, device: Host) -> None:
    Path(device.home.path_to(installation.OPT_IN)).touch()
    monkeypatch.setattr(installation, "find_installation", lambda: installation.ARCHIVE)


def receive(zone: Zone, device: Host, offer: AgentOffer) -> UpgradeRecord:
    zone.offer = records.replace(zone.offer, agent_upgrade=offer)
    refresh.refresh(device)
    return programs.load(device.home)


def test_a_signed_later_version_is_stored_for_a_trial(zone: Zone, device: Host) -> None:
    data = build_version(NEW)
    held = receive(zone, device, build_offer(zone, data))
    assert held.trial is not None
    assert held.trial.version == f"{NEW}+{BUILD}"
    assert Path(programs.get_path(device.home, held.trial)).read_bytes() == data
    assert offers.is_trial_due(device)
    assert zone.refreshes[-1].features.count(FEATURE_AGENT_UPGRADE) == 1


def test_the_same_offer_is_used_once(zone: Zone, device: Host) -> None:
    offer = build_offer(zone, build_version(NEW))
    receive(zone, device, offer)
    programs.end_trial(device.home, "It failed.")
    assert receive(zone, device, offer).trial is None
    again = receive(zone, device, records.replace(offer, id="upgrade-2"))
    assert again.trial is not None
    assert again.state == ""


def test_a_file_that_the_zone_has_not_signed_is_rejected(zone: Zone, device: Host) -> None:
    held = receive(zone, device, build_offer(zone, build_version(NEW), signer=Signer()))
    assert (held.trial, held.state) == (None, NOT_UPGRADED)
    assert held.detail == "The document is not signed with the key of this device's zone."
    refresh.refresh(device)
    result = zone.refreshes[-1].agent_upgrade
    assert result is not None
    assert (result.state, result.detail) == (NOT_UPGRADED, held.detail)


def test_with_a_second_key_both_signatures_are_required(zone: Zone, device: Host) -> None:
    zone.signer.second = second_key.generate_second_key()
    zone.signer.second_pub = second_key.get_public_key(zone.signer.second)
    refresh.refresh(device)
    assert device.device.second_pub
    held = receive(zone, device, build_offer(zone, build_version(NEW)))
    assert (held.trial, held.state) == (None, NOT_UPGRADED)


@pytest.mark.parametrize("release", ["0.9.0", RELEASE, "1.0.0a9"])
def test_no_version_that_is_not_later_is_installed(zone: Zone, device: Host, release: str) -> None:
    """The version of the file counts, and not the one that the offer names."""
    held = receive(zone, device, build_offer(zone, build_version(release), version="9.9.9"))
    assert (held.trial, held.state) == (None, NOT_UPGRADED)
    assert "is not later than the installed version" in held.detail


def test_a_file_that_is_no_agent_is_rejected(zone: Zone, device: Host) -> None:
    held = receive(zone, device, build_offer(zone, b"#!/bin/sh\n"))
    assert held.detail == "The file is not an agent of a zone."


def test_the_version_that_runs_is_reported_as_installed(zone: Zone, device: Host) -> None:
    offer = records.replace(build_offer(zone, build_version(NEW)), version=VERSION)
    assert receive(zone, device, offer).state == UPGRADED


@pytest.mark.parametrize("size", [0, -1, 1 << 40])
def test_a_size_that_is_not_possible_is_rejected(zone: Zone, device: Host, size: int) -> None:
    offer = records.replace(build_offer(zone, build_version(NEW)), size=size)
    assert receive(zone, device, offer).detail.endswith("has an invalid size.")


def test_missing_content_is_tried_again(zone: Zone, device: Host) -> None:
    data = build_version(NEW)
    offer = build_offer(zone, data)
    zone.content.clear()
    assert receive(zone, device, offer) == UpgradeRecord()
    zone.store("zac.pyz", data)
    refresh.refresh(device)
    assert programs.load(device.home).trial is not None


def test_damaged_content_is_not_used(zone: Zone, device: Host) -> None:
    offer = build_offer(zone, build_version(NEW))
    zone.content[offer.sha256] = bytes(offer.size)
    assert receive(zone, device, offer).trial is None


def test_an_open_update_of_certificates_comes_first(zone: Zone, device: Host) -> None:
    zone.update(Root("Zone CA 2"))
    held = receive(zone, device, build_offer(zone, build_version(NEW)))
    assert held == UpgradeRecord()
    assert device.state.load().updates["update-1"].step == "armed", "it is not delayed"


def test_a_stored_version_waits_for_an_update_that_has_arrived(zone: Zone, device: Host) -> None:
    receive(zone, device, build_offer(zone, build_version(NEW)))
    zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    assert not offers.is_trial_due(device)


def test_an_offer_without_a_mac_of_the_console_is_ignored(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    zone.signs_responses = False
    assert receive(zone, device, build_offer(zone, build_version(NEW))) == UpgradeRecord()


def test_a_host_that_does_not_allow_upgrades_rejects_them(zone: Zone, device: Host) -> None:
    Path(device.home.path_to(installation.OPT_IN)).unlink()
    held = receive(zone, device, build_offer(zone, build_version(NEW)))
    assert held.detail == "This device does not accept upgrades of its agent by the console."
    assert FEATURE_AGENT_UPGRADE not in zone.refreshes[-1].features


def test_the_agent_of_a_package_is_not_changed(
    zone: Zone, device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "find_installation", lambda: installation.DEB)
    held = receive(zone, device, build_offer(zone, build_version(NEW)))
    assert held.detail == "The console does not upgrade an agent that a package has installed."
    assert zone.refreshes[-1].features[-1] == "installed-deb"


def test_killed_at_any_call_the_record_names_only_intact_files(
    zone: Zone, device: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change of a file in the three steps of an upgrade: store, try, and confirm."""
    data = build_version(NEW)
    offer = build_offer(zone, data)
    monkeypatch.setattr(offers, "_fetch", lambda _host, _offer: data)
    begun = Path(device.home.path)

    def upgrade(host: Host) -> None:
        offers.receive(host, offer)
        programs.confirm_trial(host.home)

    def copy(name: str) -> Host:
        shutil.copytree(begun, tmp_path / name, symlinks=True)
        return Host(Home(str(tmp_path / name)))

    counted = copy("counted")
    points = calls_of(lambda: upgrade(counted), monkeypatch)
    assert points > 20
    seen = set()
    for at in range(1, points + 1):
        for moment in MOMENTS:
            host = copy(f"{at}-{moment}")
            _die(lambda host=host: upgrade(host), DyingOs(at, moment), monkeypatch)  # type: ignore[misc]
            held = programs.load(host.home)
            named = [one for one in (held.current, held.trial) if one is not None]
            assert all(programs.is_intact(host.home, one) for one in named)
            seen.add((held.trial is not None, held.current is not None))
            upgrade(host)
            assert programs.load(host.home).state == UPGRADED
            shutil.rmtree(host.home.path)
    assert seen == {(False, False), (True, False), (False, True)}


def _die(act: Callable[[], object], dying: DyingOs, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", dying)
        with pytest.raises(Died):
            act()
