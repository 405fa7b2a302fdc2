"""What a device does with updates that are wrong, late or revised, and with its reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.zone import Signer, Zone, read_lines
from wire import metadata, records
from wire.metadata import Manifest
from zac.host.host import Host
from zac.network.errors import ServerBusy
from zac.trust import store
from zac.updates import refresh


def events(host: Host, event: str) -> list[dict[str, object]]:
    return [
        one for one in read_lines(Path(host.home.path_to("journal.jsonl"))) if one["event"] == event
    ]


def digests(host: Host) -> list[str]:
    return store.digests(host.trust_store.current().trust)


def late(zone: Zone, root: Root, **changes: object) -> Manifest:
    return zone.update(root, **{"activate_at": int(zone.now()) - 60, **changes})


@pytest.mark.parametrize("wrong", ["forged", "flipped", "foreign zone", "path in the id", "kind"])
def test_a_manifest_that_is_not_ours_changes_nothing(zone: Zone, device: Host, wrong: str) -> None:
    """F-30."""
    made = late(zone, Root("Zone CA 2"))
    if wrong == "foreign zone":
        made = records.replace(made, zone="zone-2")
    elif wrong == "path in the id":
        made = records.replace(made, id="../../x")
    elif wrong == "kind":
        made = records.replace(made, kind="format-disk")
    envelope = (Signer() if wrong == "forged" else zone.signer).sign(metadata.MANIFEST, made)
    if wrong == "flipped":
        other = "B" if envelope.signature[0] == "A" else "A"
        envelope = records.replace(envelope, signature=other + envelope.signature[1:])
    zone.offer = records.replace(zone.offer, updates=[envelope])
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]
    assert device.state.load().updates == {}
    assert len(events(device, "manifest-rejected")) == 1
    refresh.refresh(device)
    told = zone.refreshes[-1].rejected_documents
    assert len(told) == 1
    assert told[0].startswith("manifest: ")


def test_a_replayed_older_manifest_is_refused_and_told(zone: Zone, device: Host) -> None:
    """S-62: a revision goes up only."""
    made = zone.update(Root("Zone CA 2"), revision=2)
    refresh.refresh(device)
    older = records.replace(made, revision=1, activate_at=made.activate_at - 60)
    zone.offer = records.replace(zone.offer, updates=[zone.sign(metadata.MANIFEST, older)])
    refresh.refresh(device)
    record = device.state.load().updates[made.id]
    assert (record.revision, record.activates_at()) == (2, made.activate_at)
    refresh.refresh(device)
    why = "manifest: The update is older than the current update on this device."
    assert zone.refreshes[-1].rejected_documents == [why]


def test_what_was_told_is_told_once(zone: Zone, device: Host) -> None:
    made = late(zone, Root("Zone CA 2"))
    forged = Signer().sign(metadata.MANIFEST, made)
    zone.offer = records.replace(zone.offer, updates=[forged])
    refresh.refresh(device)
    zone.offer = records.replace(zone.offer, updates=[])
    refresh.refresh(device)
    assert zone.refreshes[-1].rejected_documents
    refresh.refresh(device)
    assert zone.refreshes[-1].rejected_documents == []


def test_a_file_with_another_digest_is_not_used(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    made = late(zone, future)
    zone.content[made.files[0].sha256] = Root("Zone CA 3").pem.encode()
    refresh.refresh(device)
    assert digests(device) == [zone.root.sha256]
    assert zone.words() == ["downloading", "failed"]
    assert "redeploy" in zone.reports[-1][1].action


@pytest.mark.manual("R053", "R181")
def test_missing_content_is_tried_again_after_a_redeployment(zone: Zone, device: Host) -> None:
    """R053: redeploy the update on the failed devices."""
    made = late(zone, Root("Zone CA 2"))
    kept = zone.content.pop(made.files[0].sha256)
    refresh.refresh(device)
    zone.content[made.files[0].sha256] = kept
    zone.offer = records.replace(zone.offer, redeploy=[made.id])
    refresh.refresh(device)
    assert zone.words()[-1] == "activated"
    assert [report.attempt for _, report in zone.reports][-1] == 2


def test_a_failure_is_tried_again_ever_less_often(zone: Zone, device: Host) -> None:
    made = late(zone, Root("Zone CA 2"))
    del zone.content[made.files[0].sha256]
    zone.refresh_s = 60
    refresh.refresh(device)
    refresh.refresh(device)
    assert zone.words().count("failed") == 1
    zone.shift = 90
    refresh.refresh(device)
    assert zone.words().count("failed") == 2
    zone.shift = 180
    refresh.refresh(device)
    assert zone.words().count("failed") == 2


@pytest.mark.manual("R216")
def test_zac_refresh_tries_a_failed_update_again_at_once(zone: Zone, device: Host) -> None:
    """R216: `zac refresh` triggers the activator again."""
    made = late(zone, Root("Zone CA 2"))
    kept = zone.content.pop(made.files[0].sha256)
    refresh.refresh(device)
    zone.content[made.files[0].sha256] = kept
    refresh.refresh(device, retry_failed=True)
    assert zone.words()[-1] == "activated"


def test_another_content_server_is_tried_by_itself(zone: Zone, device: Host) -> None:
    """D-38."""
    late(zone, Root("Zone CA 2"))
    primary = zone.servers[0].address()
    broken = records.replace(
        primary, id="x", url="", content_url="http://127.0.0.1:9", role="content-satellite"
    )
    zone.others = [broken]
    device.home.save_device(records.replace(device.device, parent="x"))
    refresh.refresh(device)
    assert zone.words()[-1] == "activated"


def test_a_root_that_is_not_the_manifests_is_refused(zone: Zone, device: Host) -> None:
    made = late(zone, Root("Zone CA 2"), root_sha256="0" * 64)
    refresh.refresh(device)
    assert zone.words()[-1] == "failed"
    assert device.state.load().updates[made.id].step == "downloaded"
    assert digests(device) == [zone.root.sha256]


def test_an_older_epoch_is_refused(zone: Zone, device: Host) -> None:
    device.state.update(lambda held: records.replace(held, epoch=3))
    late(zone, Root("Zone CA 2"), epoch=3)
    refresh.refresh(device)
    assert zone.words()[-1] == "failed"
    assert digests(device) == [zone.root.sha256]


def test_a_revision_moves_the_time_and_keeps_what_is_staged(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    first = zone.update(future)
    refresh.refresh(device)
    zone.update(future, revision=2, activate_at=first.activate_at + 600)
    refresh.refresh(device)
    record = device.state.load().updates[first.id]
    assert (record.step, record.revision) == ("armed", 2)
    assert record.activates_at() == first.activate_at + 600
    zone.update(future, revision=1)
    refresh.refresh(device)
    assert device.state.load().updates[first.id].revision == 2


def test_reports_that_did_not_arrive_are_sent_later(
    zone: Zone, device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = zone.update(Root("Zone CA 2"))
    path = f"/zac/v1/updates/{made.id}/status"
    zone.lies[path] = (503, {"title": "busy", "status": 503})
    with pytest.raises(ServerBusy):
        refresh.refresh(device)
    assert zone.words() == []
    assert device.state.load().updates[made.id].step == "armed"
    zone.lies.clear()
    refresh.refresh(device)
    assert zone.words() == ["downloading", "applying", "applied"]


def test_a_report_the_console_declines_is_dropped(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    zone.lies[f"/zac/v1/updates/{made.id}/status"] = (409, {"title": "no", "status": 409})
    refresh.refresh(device)
    assert device.state.load().reports == []


def test_each_pass_meets_one_more_server(zone: Zone, device: Host) -> None:
    other = records.replace(zone.servers[0].address(), id="x", name="s2", url="https://127.0.0.1:9")
    zone.others = [other]
    refresh.refresh(device)
    last = read_lines(Path(device.home.path_to("contact.jsonl")))[-1]
    assert (last["server"], last["ok"], last["refused"]) == ("s2", False, False)
