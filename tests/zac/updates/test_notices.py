"""What signed notices do to a device: cancel, roll back, retire, recover (D-25, B-5, B-10)."""

from __future__ import annotations

import pytest

from tests.zac.support.certificates import DAY, Root
from tests.zac.support.zone import ADDRESS, Signer, Zone
from tests.zac.updates.test_steps import digests, events, late
from wire import metadata, records
from wire.messages import Trust
from wire.metadata import ActivationNotice, Cancellation, Retirement, Rollback
from zac.host import files, state
from zac.host.host import Host
from zac.network.calls import NoTrustedServer
from zac.trust import pem, recovery
from zac.trust.recovery import RecoveryFailed
from zac.updates import refresh


def test_a_cancelled_update_leaves_no_trace(zone: Zone, device: Host) -> None:
    """D-25."""
    made = zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    before = zone.offer.updates
    zone.offer = records.replace(zone.offer, updates=[])
    zone.notify(Cancellation(made.id, zone.id, made.revision))
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]
    assert files.list_names(device.home.path_to("remint-repo")) == []
    assert zone.words()[-1] == "canceled"
    zone.offer = records.replace(zone.offer, updates=before)
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]
    assert len(events(device, "manifest-rejected")) == 1


def test_a_device_that_activated_before_it_heard_the_cancel_goes_back(
    zone: Zone, device: Host
) -> None:
    made = late(zone, Root("Zone CA 2"))
    refresh.refresh(device)
    zone.notify(Cancellation(made.id, zone.id, made.revision))
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]


def test_a_cancel_signed_by_a_stranger_is_ignored(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    forged = Signer().sign(metadata.CANCELLATION, Cancellation(made.id, zone.id, 1))
    zone.offer = records.replace(zone.offer, notices=[forged])
    refresh.refresh(device)
    assert len(digests(device)) == 2
    assert len(events(device, "notice-rejected")) == 1
    zone.offer = records.replace(zone.offer, notices=[])
    refresh.refresh(device)
    assert zone.refreshes[-1].rejected_documents[0].startswith("notice: ")


def test_a_cancel_for_another_zone_is_ignored(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    zone.notify(Cancellation(made.id, "zone-2", 1))
    refresh.refresh(device)
    assert len(digests(device)) == 2
    assert len(events(device, "notice-rejected")) == 1


def test_an_update_cancelled_before_it_was_seen_is_never_taken_up(zone: Zone, device: Host) -> None:
    zone.notify(Cancellation("update-1", zone.id, 1))
    refresh.refresh(device)
    zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    assert device.state.load().updates == {}
    assert digests(device) == [zone.root.sha256]


def test_a_cancel_of_an_unknown_update_is_answered(zone: Zone, device: Host) -> None:
    zone.notify(Cancellation("never-seen", zone.id, 1))
    refresh.refresh(device)
    assert [(name, report.state) for name, report in zone.reports] == [("never-seen", "canceled")]


def test_an_announced_root_is_removed_with_the_list_although_the_cancellation_was_missed(
    zone: Zone, device: Host
) -> None:
    future = Root("Zone CA 2")
    zone.trust = Trust(zone.root.pem, pending=[future.pem])
    refresh.refresh(device)
    assert future.sha256 in digests(device)
    zone.trust = Trust(zone.root.pem)
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]


def test_pending_trust_goes_although_the_cancel_was_heard_before_a_death(
    zone: Zone, device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = Root("Zone CA 2")
    zone.trust = Trust(zone.root.pem, pending=[future.pem])
    refresh.refresh(device)
    zone.trust = Trust(zone.root.pem)
    zone.notify(Cancellation("update-1", zone.id, 1))

    def die(*_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(refresh, "_update_trust", die)
        with pytest.raises(KeyboardInterrupt):
            refresh.refresh(device)
    assert device.state.load().canceled == {"update-1": 1}
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]


def test_an_ignored_device_leaves_the_update_alone(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    zone.offer = records.replace(zone.offer, ignored=[made.id])
    refresh.refresh(device)
    assert device.state.load().updates == {}
    zone.offer = records.replace(zone.offer, ignored=[])
    refresh.refresh(device)
    zone.offer = records.replace(zone.offer, ignored=[made.id])
    refresh.refresh(device)
    assert device.state.load().updates[made.id].step == "ignored"


def test_a_rollback_makes_the_old_root_current_again(zone: Zone, device: Host) -> None:
    """B-5."""
    future = Root("Zone CA 2")
    made = late(zone, future)
    refresh.refresh(device)
    zone.trust = Trust(zone.root.pem, in_grace=[future.pem])
    zone.notify(Rollback(made.id, zone.id, made.revision))
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256, future.sha256]


def test_the_current_root_of_the_zone_does_not_undo_an_activation(zone: Zone, device: Host) -> None:
    """The console may move a moment after the devices."""
    future = Root("Zone CA 2")
    late(zone, future)
    refresh.refresh(device)
    refresh.refresh(device)
    assert digests(device)[0] == future.sha256


def test_a_device_without_the_update_follows_the_zone(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    zone.trust = Trust(future.pem, in_grace=[zone.root.pem])
    refresh.refresh(device)
    assert digests(device) == [future.sha256, zone.root.sha256]


def test_an_old_root_goes_when_nobody_needs_it(zone: Zone, device: Host) -> None:
    """Rule A: only after every server was verified without it."""
    future = Root("Zone CA 2")
    old = zone.root
    late(zone, future)
    refresh.refresh(device)
    zone.trust = Trust(future.pem)
    zone.notify(Retirement(zone.id, 1, [old.sha256, future.sha256]))
    refresh.refresh(device)
    assert digests(device) == [future.sha256, old.sha256]
    zone.servers[0].show(future.server(ADDRESS))
    refresh.refresh(device)
    assert digests(device) == [future.sha256]


def test_an_expired_root_goes_at_once(zone: Zone, device: Host) -> None:
    old = Root("Zone CA 0", begin=-10, days=-1)
    zone.trust = Trust(zone.root.pem, in_grace=[old.pem])
    refresh.refresh(device)
    assert old.sha256 in digests(device)
    zone.trust = Trust(zone.root.pem)
    zone.notify(Retirement(zone.id, 1, [old.sha256]))
    zone.others = [records.replace(zone.servers[0].address(), url="https://127.0.0.1:9")]
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]


def lost(zone: Zone, device: Host, *, epoch: int = 1) -> Root:
    """Let the zone change its CA without a bridge while the device was away."""
    future = Root("Zone CA 2")
    made = zone.update(future, activate_at=int(zone.now()) - 60, epoch=epoch)
    envelope = zone.offer.updates[0]
    notice = ActivationNotice(made.id, zone.id, epoch, future.sha256, envelope)
    zone.recovery = [zone.sign(metadata.ACTIVATION_NOTICE, notice)]
    zone.servers[0].show(future.server(ADDRESS))
    zone.trust = Trust(future.pem)
    with pytest.raises(NoTrustedServer):
        refresh.refresh(device)
    return future


def test_a_lost_device_finds_back_by_the_zone_key(zone: Zone, device: Host) -> None:
    """B-10."""
    refresh.refresh(device)
    future = lost(zone, device)
    recovery.recover(device)
    refresh.refresh(device)
    assert digests(device)[0] == future.sha256
    assert zone.words()[-1] == "activated"
    assert device.state.load().epoch == 1


@pytest.mark.parametrize("wrong", ["manifest alone", "stranger", "other root", "replayed"])
def test_nothing_else_brings_a_lost_device_back(zone: Zone, device: Host, wrong: str) -> None:
    refresh.refresh(device)
    lost(zone, device)
    envelope = zone.offer.updates[0]
    notice = ActivationNotice("update-1", zone.id, 1, Root("x").sha256, envelope)
    if wrong == "manifest alone":
        zone.recovery = [envelope]
    elif wrong == "stranger":
        zone.recovery = [Signer().sign(metadata.ACTIVATION_NOTICE, notice)]
    elif wrong == "other root":
        zone.recovery = [zone.sign(metadata.ACTIVATION_NOTICE, notice)]
    else:
        device.state.update(lambda held: records.replace(held, epoch=1))
    with pytest.raises(RecoveryFailed):
        recovery.recover(device)
    assert digests(device) == [zone.root.sha256]


def test_an_unapproved_device_waits(zone: Zone, device: Host) -> None:
    zone.approved = False
    zone.update(Root("Zone CA 2"))
    assert not refresh.refresh(device).approved
    assert device.state.load().updates == {}


def test_closed_updates_are_forgotten_in_time(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    for number in range(state.MAX_UPDATES + 5):
        made = zone.update(future, id=f"u{number}", epoch=number + 1)
        refresh.refresh(device)
        zone.offer = records.replace(zone.offer, updates=[], notices=[])
        zone.notify(Cancellation(made.id, zone.id, 1))
        refresh.refresh(device)
    assert len(device.state.load().updates) <= state.MAX_UPDATES + 1
    assert digests(device) == [zone.root.sha256]
    assert len(files.list_names(device.trust_store.path)) <= 3
    assert pem.dates(future.pem)[1] > DAY
