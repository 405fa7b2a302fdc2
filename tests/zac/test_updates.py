"""What a device does with updates and notices that are wrong, late, cancelled or revised."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.zac.authority import DAY, Root
from tests.zac.zone import ADDRESS, Signer, Zone, read_lines
from wire import manifest
from wire.manifest import Activated, Cancel, Manifest, Retire, Rollback
from wire.messages import Trust
from zac import calls, pem, recovering, refreshing, state, store, trust
from zac.calls import NoneVerifies
from zac.host import Host
from zac.recovering import NoWayBack


def events(host: Host, event: str) -> list[dict[str, object]]:
    return [one for one in read_lines(Path(host.home.at("journal.jsonl"))) if one["event"] == event]


def digests(host: Host) -> list[str]:
    return trust.digests(host.security.current().trust)


def late(zone: Zone, root: Root, **changes: object) -> Manifest:
    return zone.update(root, **{"activate_at": int(zone.now()) - 60, **changes})


@pytest.mark.parametrize("wrong", ["forged", "flipped", "foreign zone", "path in the id", "kind"])
def test_a_manifest_that_is_not_ours_changes_nothing(zone: Zone, device: Host, wrong: str) -> None:
    """F-30."""
    made = late(zone, Root("Zone CA 2"))
    if wrong == "foreign zone":
        made = dataclasses.replace(made, zone="zone-2")
    elif wrong == "path in the id":
        made = dataclasses.replace(made, id="../../x")
    elif wrong == "kind":
        made = dataclasses.replace(made, kind="format-disk")
    envelope = (Signer() if wrong == "forged" else zone.signer).sign(manifest.MANIFEST, made)
    if wrong == "flipped":
        other = "B" if envelope.signature[0] == "A" else "A"
        envelope = dataclasses.replace(envelope, signature=other + envelope.signature[1:])
    zone.offer = dataclasses.replace(zone.offer, updates=[envelope])
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256]
    assert device.state.load().updates == {}
    assert len(events(device, "manifest-refused")) == 1


def test_a_file_with_another_digest_is_not_used(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    made = late(zone, future)
    zone.content[made.files[0].sha256] = Root("Zone CA 3").pem.encode()
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256]
    assert zone.words() == ["downloading", "failed"]
    assert "redeploy" in zone.reports[-1][1].action


def test_missing_content_is_tried_again_after_a_redeployment(zone: Zone, device: Host) -> None:
    """R053: redeploy the update on the failed devices."""
    made = late(zone, Root("Zone CA 2"))
    kept = zone.content.pop(made.files[0].sha256)
    refreshing.refresh(device)
    zone.content[made.files[0].sha256] = kept
    zone.offer = dataclasses.replace(zone.offer, redeploy=[made.id])
    refreshing.refresh(device)
    assert zone.words()[-1] == "activated"
    assert [report.attempt for _, report in zone.reports][-1] == 2


def test_a_failure_is_tried_again_ever_less_often(zone: Zone, device: Host) -> None:
    made = late(zone, Root("Zone CA 2"))
    del zone.content[made.files[0].sha256]
    refreshing.refresh(device)
    refreshing.refresh(device)
    assert zone.words().count("failed") == 1
    zone.shift = 1.5
    refreshing.refresh(device)
    assert zone.words().count("failed") == 2
    zone.shift = 3
    refreshing.refresh(device)
    assert zone.words().count("failed") == 2


def test_zac_refresh_tries_a_failed_update_again_at_once(zone: Zone, device: Host) -> None:
    """R216: `zac refresh` triggers the activator again."""
    made = late(zone, Root("Zone CA 2"))
    kept = zone.content.pop(made.files[0].sha256)
    refreshing.refresh(device)
    zone.content[made.files[0].sha256] = kept
    refreshing.refresh(device, asked=True)
    assert zone.words()[-1] == "activated"


def test_another_content_server_is_tried_by_itself(zone: Zone, device: Host) -> None:
    """D-38."""
    late(zone, Root("Zone CA 2"))
    primary = zone.servers[0].address()
    broken = dataclasses.replace(
        primary, id="x", url="", content_url="http://127.0.0.1:9", role="content-satellite"
    )
    zone.others = [broken]
    device.home.keep_device(dataclasses.replace(device.device, parent="x"))
    refreshing.refresh(device)
    assert zone.words()[-1] == "activated"


def test_a_root_that_is_not_the_manifests_is_refused(zone: Zone, device: Host) -> None:
    made = late(zone, Root("Zone CA 2"), root_sha256="0" * 64)
    refreshing.refresh(device)
    assert zone.words()[-1] == "failed"
    assert device.state.load().updates[made.id].step == "downloaded"
    assert digests(device) == [zone.root.sha256]


def test_an_older_epoch_is_refused(zone: Zone, device: Host) -> None:
    device.state.change(lambda held: dataclasses.replace(held, epoch=3))
    late(zone, Root("Zone CA 2"), epoch=3)
    refreshing.refresh(device)
    assert zone.words()[-1] == "failed"
    assert digests(device) == [zone.root.sha256]


def test_a_revision_moves_the_time_and_keeps_what_is_staged(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    first = zone.update(future)
    refreshing.refresh(device)
    zone.update(future, revision=2, activate_at=first.activate_at + 600)
    refreshing.refresh(device)
    record = device.state.load().updates[first.id]
    assert (record.step, record.revision) == ("armed", 2)
    assert record.activates_at() == first.activate_at + 600
    zone.update(future, revision=1)
    refreshing.refresh(device)
    assert device.state.load().updates[first.id].revision == 2


def test_a_cancelled_update_leaves_no_trace(zone: Zone, device: Host) -> None:
    """D-25."""
    made = zone.update(Root("Zone CA 2"))
    refreshing.refresh(device)
    before = zone.offer.updates
    zone.offer = dataclasses.replace(zone.offer, updates=[])
    zone.notify(Cancel(made.id, zone.id, made.revision))
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256]
    assert store.names(device.home.at("remint-repo")) == []
    assert zone.words()[-1] == "canceled"
    zone.offer = dataclasses.replace(zone.offer, updates=before)
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256]


def test_a_device_that_activated_before_it_heard_the_cancel_goes_back(
    zone: Zone, device: Host
) -> None:
    made = late(zone, Root("Zone CA 2"))
    refreshing.refresh(device)
    zone.notify(Cancel(made.id, zone.id, made.revision))
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256]


def test_a_cancel_signed_by_a_stranger_is_ignored(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    refreshing.refresh(device)
    forged = Signer().sign(manifest.CANCEL, Cancel(made.id, zone.id, 1))
    zone.offer = dataclasses.replace(zone.offer, notices=[forged])
    refreshing.refresh(device)
    assert len(digests(device)) == 2
    assert len(events(device, "notice-refused")) == 1


def test_a_cancel_for_another_zone_is_ignored(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    refreshing.refresh(device)
    zone.notify(Cancel(made.id, "zone-2", 1))
    refreshing.refresh(device)
    assert len(digests(device)) == 2
    assert len(events(device, "notice-refused")) == 1


def test_an_update_cancelled_before_it_was_seen_is_never_taken_up(zone: Zone, device: Host) -> None:
    zone.notify(Cancel("update-1", zone.id, 1))
    refreshing.refresh(device)
    zone.update(Root("Zone CA 2"))
    refreshing.refresh(device)
    assert device.state.load().updates == {}
    assert digests(device) == [zone.root.sha256]


def test_a_cancel_of_an_unknown_update_is_answered(zone: Zone, device: Host) -> None:
    zone.notify(Cancel("never-seen", zone.id, 1))
    refreshing.refresh(device)
    assert [(name, report.state) for name, report in zone.reports] == [("never-seen", "canceled")]


def test_pending_trust_goes_with_the_cancel_even_without_the_update(
    zone: Zone, device: Host
) -> None:
    future = Root("Zone CA 2")
    zone.trust = Trust(zone.root.pem, pending=[future.pem])
    refreshing.refresh(device)
    zone.trust = Trust(zone.root.pem)
    refreshing.refresh(device)
    assert future.sha256 in digests(device)
    zone.notify(Cancel("update-1", zone.id, 1))
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256]


def test_an_ignored_device_leaves_the_update_alone(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    zone.offer = dataclasses.replace(zone.offer, ignored=[made.id])
    refreshing.refresh(device)
    assert device.state.load().updates == {}
    zone.offer = dataclasses.replace(zone.offer, ignored=[])
    refreshing.refresh(device)
    zone.offer = dataclasses.replace(zone.offer, ignored=[made.id])
    refreshing.refresh(device)
    assert device.state.load().updates[made.id].step == "ignored"


def test_a_rollback_makes_the_old_root_current_again(zone: Zone, device: Host) -> None:
    """B-5."""
    future = Root("Zone CA 2")
    made = late(zone, future)
    refreshing.refresh(device)
    zone.notify(Rollback(made.id, zone.id, made.revision))
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256, future.sha256]


def test_the_current_root_of_the_zone_does_not_undo_an_activation(zone: Zone, device: Host) -> None:
    """The console may move a moment after the devices."""
    future = Root("Zone CA 2")
    late(zone, future)
    refreshing.refresh(device)
    refreshing.refresh(device)
    assert digests(device)[0] == future.sha256


def test_a_device_without_the_update_follows_the_zone(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    zone.trust = Trust(future.pem, in_grace=[zone.root.pem])
    refreshing.refresh(device)
    assert digests(device) == [future.sha256, zone.root.sha256]


def test_an_old_root_goes_when_nobody_needs_it(zone: Zone, device: Host) -> None:
    """Rule A: only after every server was verified without it."""
    future = Root("Zone CA 2")
    old = zone.root
    late(zone, future)
    refreshing.refresh(device)
    zone.trust = Trust(future.pem)
    zone.notify(Retire(zone.id, 1, [old.sha256, future.sha256]))
    refreshing.refresh(device)
    assert digests(device) == [future.sha256, old.sha256]
    zone.servers[0].show(future.server(ADDRESS))
    refreshing.refresh(device)
    assert digests(device) == [future.sha256]


def test_an_expired_root_goes_at_once(zone: Zone, device: Host) -> None:
    old = Root("Zone CA 0", begin=-10, days=-1)
    zone.trust = Trust(zone.root.pem, in_grace=[old.pem])
    refreshing.refresh(device)
    assert old.sha256 in digests(device)
    zone.trust = Trust(zone.root.pem)
    zone.notify(Retire(zone.id, 1, [old.sha256]))
    zone.others = [dataclasses.replace(zone.servers[0].address(), url="https://127.0.0.1:9")]
    refreshing.refresh(device)
    assert digests(device) == [zone.root.sha256]


def lost(zone: Zone, device: Host, *, epoch: int = 1) -> Root:
    """Let the zone change its CA without a bridge while the device was away."""
    future = Root("Zone CA 2")
    made = zone.update(future, activate_at=int(zone.now()) - 60, epoch=epoch)
    envelope = zone.offer.updates[0]
    notice = Activated(made.id, zone.id, epoch, future.sha256, envelope)
    zone.recovery = [zone.sign(manifest.ACTIVATED, notice)]
    zone.servers[0].show(future.server(ADDRESS))
    zone.trust = Trust(future.pem)
    with pytest.raises(NoneVerifies):
        refreshing.refresh(device)
    return future


def test_a_lost_device_finds_back_by_the_zone_key(zone: Zone, device: Host) -> None:
    """B-10."""
    refreshing.refresh(device)
    future = lost(zone, device)
    recovering.recover(device)
    refreshing.refresh(device)
    assert digests(device)[0] == future.sha256
    assert zone.words()[-1] == "activated"
    assert device.state.load().epoch == 1


@pytest.mark.parametrize("wrong", ["manifest alone", "stranger", "other root", "replayed"])
def test_nothing_else_brings_a_lost_device_back(zone: Zone, device: Host, wrong: str) -> None:
    refreshing.refresh(device)
    lost(zone, device)
    envelope = zone.offer.updates[0]
    notice = Activated("update-1", zone.id, 1, Root("x").sha256, envelope)
    if wrong == "manifest alone":
        zone.recovery = [envelope]
    elif wrong == "stranger":
        zone.recovery = [Signer().sign(manifest.ACTIVATED, notice)]
    elif wrong == "other root":
        zone.recovery = [zone.sign(manifest.ACTIVATED, notice)]
    else:
        device.state.change(lambda held: dataclasses.replace(held, epoch=1))
    with pytest.raises(NoWayBack):
        recovering.recover(device)
    assert digests(device) == [zone.root.sha256]


def test_reports_that_did_not_arrive_are_sent_later(
    zone: Zone, device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = zone.update(Root("Zone CA 2"))
    path = f"/zac/v1/updates/{made.id}/status"
    zone.lies[path] = (503, {"title": "busy", "status": 503})
    with pytest.raises(calls.Busy):
        refreshing.refresh(device)
    assert zone.words() == []
    assert device.state.load().updates[made.id].step == "armed"
    zone.lies.clear()
    refreshing.refresh(device)
    assert zone.words() == ["downloading", "applying", "applied"]


def test_a_report_the_console_declines_is_dropped(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    zone.lies[f"/zac/v1/updates/{made.id}/status"] = (409, {"title": "no", "status": 409})
    refreshing.refresh(device)
    assert device.state.load().reports == []


def test_an_unapproved_device_waits(zone: Zone, device: Host) -> None:
    zone.approved = False
    zone.update(Root("Zone CA 2"))
    assert not refreshing.refresh(device).approved
    assert device.state.load().updates == {}


def test_each_pass_meets_one_more_server(zone: Zone, device: Host) -> None:
    other = dataclasses.replace(
        zone.servers[0].address(), id="x", name="s2", url="https://127.0.0.1:9"
    )
    zone.others = [other]
    refreshing.refresh(device)
    last = read_lines(Path(device.home.at("contact.jsonl")))[-1]
    assert (last["server"], last["ok"], last["refused"]) == ("s2", False, False)


def test_closed_updates_are_forgotten_in_time(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    for number in range(state.REMEMBERED_UPDATES + 5):
        made = zone.update(future, id=f"u{number}", epoch=number + 1)
        refreshing.refresh(device)
        zone.offer = dataclasses.replace(zone.offer, updates=[], notices=[])
        zone.notify(Cancel(made.id, zone.id, 1))
        refreshing.refresh(device)
    assert len(device.state.load().updates) <= state.REMEMBERED_UPDATES + 1
    assert digests(device) == [zone.root.sha256]
    assert len(store.names(device.security.path)) <= 3
    assert pem.dates(future.pem)[1] > DAY
