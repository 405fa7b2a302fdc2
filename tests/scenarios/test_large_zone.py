"""Two hundred devices, each a real agent process, go through a Remint CA; none loses contact."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone

pytestmark = [pytest.mark.long, pytest.mark.timeout(590)]
DEVICES = 200
# Real zones refresh twice a day; every 30 s keeps two processor cores busy enough.
REFRESH = 30


def test_two_hundred_devices_go_through_a_remint_without_one_refused_contact(
    start_zone: Callable[..., RunningZone],
) -> None:
    zone = start_zone(devices=DEVICES, before=partial(administrator.create_zone, refresh=REFRESH))
    administrator.remint_ca(zone.program(), 160)
    seen = zone.completes(seconds=330)
    assert len(seen["assigned"]) == DEVICES + 4
    assert zone.refused() == []
    zone.everybody_is_in_contact(seconds=2 * REFRESH + 30)
    assert zone.refused() == []
