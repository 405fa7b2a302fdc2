"""A device from registration through an update (manual, 1.2.4; D-28 of docs/decisions.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.zone import Zone, read_lines
from wire.messages import AuditCheckpoint, Trust
from wire.records import replace
from zac.host.host import Host
from zac.trust import pem, store
from zac.updates import refresh, state_machine


def test_a_registered_device_trusts_the_root_of_the_zone(zone: Zone, device: Host) -> None:
    assert store.digests(device.trust_store.current().trust) == [zone.root.sha256]


def test_a_refresh_says_which_root_verified_the_server(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    assert zone.refreshes[-1].anchored_sha256 == zone.root.sha256


def checkpoint(seq: int, branch: int = 0, digest: str = "a" * 64) -> AuditCheckpoint:
    return AuditCheckpoint(branch, seq, digest, "b" * 64)


def test_the_newest_audit_checkpoint_is_kept_and_returned(zone: Zone, device: Host) -> None:
    kept = None
    for given, expected in (
        (None, None),
        (checkpoint(7), checkpoint(7)),
        (checkpoint(5), checkpoint(7)),
        (checkpoint(7, digest="c" * 64), checkpoint(7)),
        (None, checkpoint(7)),
        (checkpoint(9, digest="not a digest"), checkpoint(7)),
        (checkpoint(2**63), checkpoint(7)),
        (checkpoint(3, branch=1), checkpoint(3, branch=1)),
        (checkpoint(8), checkpoint(3, branch=1)),
    ):
        zone.offer = replace(zone.offer, audit_checkpoint=given)
        refresh.refresh(device)
        assert zone.refreshes[-1].audit_checkpoint == kept
        kept = device.state.load().audit_checkpoint
        assert kept == expected


@pytest.mark.manual("R143")
def test_an_update_is_applied_and_waits_for_its_time(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    refresh.refresh(device)
    held = device.trust_store.current().trust
    assert pem.fingerprint(held.current) == zone.root.sha256
    assert store.digests(held) == [zone.root.sha256, future.sha256]
    assert zone.words() == ["downloading", "applying", "applied"]


def test_a_late_device_applies_and_activates_in_one_go(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    zone.update(future, activate_at=int(zone.now()) - 60)
    refresh.refresh(device)
    held = device.trust_store.current().trust
    assert pem.fingerprint(held.current) == future.sha256
    assert pem.fingerprints(held.in_grace) == [zone.root.sha256]
    assert zone.words()[-2:] == ["activating", "activated"]
    assert device.state.load().epoch == 1


def test_no_contact_is_refused_on_the_way(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) + 2)
    refresh.refresh(device)
    zone.servers[0].show(future.server("127.0.0.1") + zone.root.bridge(future))
    refresh.refresh(device)
    zone.shift = 5
    refresh.refresh(device)
    state_machine.advance(device, update.id)
    contacts = read_lines(Path(device.home.path_to("contact.jsonl")))
    assert [one for one in contacts if one["refused"] or not one["ok"]] == []
    assert device.state.load().updates[update.id].step == "confirmed"


def test_a_root_announced_by_a_verified_refresh_is_trusted(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    zone.trust = Trust(zone.root.pem, pending=[future.pem])
    refresh.refresh(device)
    assert store.digests(device.trust_store.current().trust) == [zone.root.sha256, future.sha256]
