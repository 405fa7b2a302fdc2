"""The events between two states of trust."""

from __future__ import annotations

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.zone import Zone
from wire.records import replace
from zac.hooks import events
from zac.hooks.events import Event, Snapshot
from zac.host import state
from zac.host.host import Host
from zac.updates import refresh

OLD = Snapshot(current="a", certificate="c1")


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        (OLD, OLD, []),
        (OLD, replace(OLD, pending=["b"]), ["trust-changed"]),
        (replace(OLD, pending=["b"]), OLD, ["trust-changed"]),
        (replace(OLD, pending=["b"]), Snapshot("b", ["a"], [], "c2"), ["activated"]),
        (OLD, replace(OLD, certificate="c2"), ["activated"]),
        (Snapshot("b", ["a"]), Snapshot("b"), ["retired"]),
        (Snapshot("b", ["a"]), Snapshot("a", ["b"]), ["activated"]),
        (Snapshot(), OLD, ["trust-changed", "activated"]),
        (Snapshot("a"), Snapshot("b"), ["trust-changed", "activated", "retired"]),
    ],
)
def test_each_difference_is_an_event(before: Snapshot, now: Snapshot, names: list[str]) -> None:
    assert [event.name for event in events.list_events(before, now)] == names


def test_an_event_names_the_roots() -> None:
    found = events.list_events(Snapshot("a", ["x"]), Snapshot("b", ["a"]))
    assert found[0] == Event("trust-changed", added=["b"], removed=["x"])


def test_there_is_no_event_while_a_server_might_return_to_its_old_certificate(
    zone: Zone, device: Host
) -> None:
    update = zone.update(Root("Zone CA 2")).id
    refresh.refresh(device)
    assert events.take_snapshot(device) is not None
    for step in events.UNSETTLED:
        device.state.edit(update, lambda record, step=step: replace(record, step=step))  # type: ignore[misc]
        assert events.take_snapshot(device) is None
    device.state.edit(update, lambda record: replace(record, step=state.ACTIVATED))
    assert events.take_snapshot(device) is not None


def test_an_event_belongs_to_the_update_that_caused_it(zone: Zone, device: Host) -> None:
    future = Root("Zone CA 2")
    update = zone.update(future, activate_at=int(zone.now()) - 60).id
    assert events.find_update(device, Event("activated", [], [])) == ""
    refresh.refresh(device)
    assert events.find_update(device, Event("activated", [], [])) == update
    assert events.find_update(device, Event("trust-changed", [future.sha256], [])) == update
    assert events.find_update(device, Event("retired", [], ["0" * 64])) == ""
