"""What a host reports about its updates at each refresh (D-165)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.servers import certify
from tests.zac.support.zone import Zone
from tests.zac.updates.test_steps import digests, late
from wire import records
from wire.messages import Trust
from wire.metadata import Cancellation, Rollback
from wire.update_messages import UpdateStatus
from zac.host import state
from zac.host.host import Host
from zac.trust import pem
from zac.updates import refresh, status


def reported(zone: Zone) -> list[tuple[str, str, int, int]]:
    return [(one.id, one.state, one.revision, one.attempt) for one in zone.refreshes[-1].updates]


def test_each_refresh_reports_the_state_of_the_updates(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    assert zone.refreshes[-1].updates == []
    zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    refresh.refresh(device)
    assert reported(zone) == [("update-1", "applied", 1, 1)]
    zone.shift = 4000
    refresh.refresh(device)
    refresh.refresh(device)
    assert reported(zone) == [("update-1", "activated", 1, 1)]


def test_a_failure_is_not_part_of_the_state(zone: Zone, device: Host) -> None:
    """Otherwise the console could not clear an error."""
    zone.update(Root("Zone CA 2"))
    zone.content.clear()
    refresh.refresh(device)
    refresh.refresh(device)
    assert reported(zone)[0][1] == "downloading"


def test_ignored_updates_and_old_ones_are_not_reported(zone: Zone, device: Host) -> None:
    made = zone.update(Root("Zone CA 2"))
    refresh.refresh(device)
    record = device.state.load().updates[made.id]

    def closed(number: int, step: str) -> state.UpdateRecord:
        return records.replace(record, id=f"u{number}", step=step, received_at=float(number))

    for number in range(8):
        device.state.put(closed(number, state.CONFIRMED))
    device.state.put(closed(9, state.IGNORED))
    found = {one.id for one in status.list_updates(device)}
    assert found == {"update-1", "u4", "u5", "u6", "u7"}


def test_a_server_reports_and_sends_its_new_certificate(zone: Zone, satellite: Host) -> None:
    future = Root("Zone CA 2")
    zone.update(future)
    certify(zone, future, satellite)
    refresh.refresh(satellite)
    (reported_update,) = zone.refreshes[-1].updates
    chain = zone.answers["update-1"].chain
    assert reported_update.certificate_sha256 == pem.fingerprint(chain)
    zone.requests.clear()
    zone.offer = records.replace(
        zone.offer, send_certificates=["update-1", "first", "unknown", "../../x"]
    )
    refresh.refresh(satellite)
    new, in_use = (pem.split(request.chain) for _, request in zone.requests)
    assert new[:1] == pem.split(chain)[:1]
    assert in_use == pem.split(satellite.trust_store.current().server)
    assert all("KEY" not in request.chain for _, request in zone.requests)


def test_a_console_without_a_valid_mac_gets_no_certificate(zone: Zone, satellite: Host) -> None:
    refresh.refresh(satellite)
    zone.signs_responses = False
    zone.offer = records.replace(zone.offer, send_certificates=["first"])
    refresh.refresh(satellite)
    assert zone.requests == []


@pytest.mark.parametrize("kind", [Cancellation, Rollback])
def test_a_notice_that_is_received_again_is_reported_again(
    zone: Zone, device: Host, kind: type
) -> None:
    """The console sends it until it has the report, which a restored database has lost."""
    made = late(zone, Root("Zone CA 2"))
    refresh.refresh(device)
    zone.offer = records.replace(zone.offer, updates=[])
    zone.trust = Trust(zone.root.pem)
    zone.notify(kind(made.id, zone.id, made.revision))
    refresh.refresh(device)
    for _ in range(2):
        zone.reports.clear()
        refresh.refresh(device)
        assert zone.words() == ["canceled"]
        assert digests(device)[0] == zone.root.sha256


def test_a_rollback_that_the_console_has_lost_can_be_repeated(zone: Zone, device: Host) -> None:
    """The database was restored from a backup from before the rollback."""
    future = Root("Zone CA 2")
    made = late(zone, future)
    refresh.refresh(device)
    zone.offer = records.replace(zone.offer, updates=[])
    zone.trust = Trust(zone.root.pem, in_grace=[future.pem])
    for revision in (made.revision, made.revision + 100):
        zone.reports.clear()
        zone.notify(Rollback(made.id, zone.id, revision))
        refresh.refresh(device)
        assert set(zone.words()) == {"canceled"}
        assert digests(device) == [zone.root.sha256, future.sha256]


def test_a_later_revision_starts_a_canceled_update_again(zone: Zone, device: Host) -> None:
    """The restored database does not contain the cancellation, and its operation goes on."""
    future = Root("Zone CA 2")
    made = zone.update(future)
    refresh.refresh(device)
    zone.notify(Cancellation(made.id, zone.id, 5))
    refresh.refresh(device)
    zone.offer = records.replace(zone.offer, notices=[])
    zone.update(future, revision=5)
    refresh.refresh(device)
    assert device.state.load().updates[made.id].step == state.CANCELED
    zone.update(future, revision=6)
    refresh.refresh(device)
    assert device.state.load().updates[made.id].step == state.READY
    assert future.sha256 in digests(device)


def test_an_earlier_agent_left_no_trace_that_is_reported(zone: Zone, device: Host) -> None:
    assert status.list_updates(device) == []
    assert not Path(device.home.path_to("remint-repo", "update-1")).exists()
    assert UpdateStatus(id="1", state="applied").generation == -1
