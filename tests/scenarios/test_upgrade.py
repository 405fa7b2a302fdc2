"""Agents of this version with the console of the previous version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.program import Program
from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.scenarios.test_previous_version import extract_previous_version
from wire.messages import AUTHENTICATION_SATELLITE
from zcc.runtime.components import BASE_DIR

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long

PREVIOUS_LAUNCHER, LAUNCHER = "zcc.launcher", "zcc.runtime.launcher"
NEW_SATELLITE, NEW_DEVICE = "as-new", "pc-new"


def use_version(zone: RunningZone, code: Path) -> None:
    """Let the next start of a zone use the console and the agents in a folder."""
    zone.code = code
    zone.launcher_module = LAUNCHER if code == BASE_DIR else PREVIOUS_LAUNCHER


def wait_for(api: Program, state: str, *assigned: str, seconds: float = 300) -> dict[str, Any]:
    """Wait for a state of the operation, and of all its assignments; return the operation."""
    seen: dict[str, Any] = {}

    def is_there() -> bool:
        seen.clear()
        seen.update(api.operation())
        if seen["state"] != state or not assigned:
            return bool(seen["state"] == state)
        found = api.assignments(seen["update_id"]).values()
        return bool(found) and {one["state"] for one in found} <= set(assigned)

    until(is_there, f"the operation is {state}: {seen.get('reason', '')}", seconds)
    return seen


def test_new_agents_complete_a_remint_ca_with_the_previous_console(
    start_zone: StartZone, tmp_path: Path
) -> None:
    code = extract_previous_version(tmp_path / "previous")
    zone = start_zone(
        devices=1, satellites=0, primaries=1, before=lambda one: use_version(one, code)
    )
    zone.add_agent(NEW_SATELLITE, 71, role=AUTHENTICATION_SATELLITE)
    zone.add_agent(NEW_DEVICE, 72)
    api = zone.program()
    previous_root = api.root()

    administrator.remint_ca(api, 90)
    operation = wait_for(api, "completed", "activated")

    assert set(api.assignments(operation["update_id"])) >= {NEW_SATELLITE, NEW_DEVICE}
    assert api.root() != previous_root
    assert len(zone.verify(api.root())) == 2, "the console and the new satellite"
    assert zone.refused() == []
    zone.everybody_is_in_contact()
    last = {contact.host: contact for contact in zone.contacts() if contact.ok}
    assert {NEW_SATELLITE, NEW_DEVICE} < set(last)
