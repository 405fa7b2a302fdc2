"""A zone starts with one command, ends with Ctrl-C and goes on where it was."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone


def test_it_ends_on_ctrl_c_leaves_nothing_and_goes_on_where_it_was(
    start_zone: Callable[..., RunningZone],
) -> None:
    zone = start_zone(devices=1, satellites=0, primaries=1)
    identity = (zone.home / "servers" / "ps-01" / "device.json").read_text()
    assert zone.interrupt() == 0
    assert zone.survivors() == []
    zone.start()
    assert (zone.home / "servers" / "ps-01" / "device.json").read_text() == identity
    before = len(zone.contacts())
    until(lambda: any(c.ok for c in zone.contacts()[before:]), "a contact after the restart")
    assert zone.refused() == []
