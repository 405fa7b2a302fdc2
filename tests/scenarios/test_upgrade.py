"""Upgrade from the previous version and back, with an operation in progress (docs/upgrade.md)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.harness.program import Program, later
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


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database, with what is in its write-ahead log."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


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


def test_an_operation_survives_an_upgrade_a_rollback_and_an_upgrade(
    start_zone: StartZone, tmp_path: Path
) -> None:
    code = extract_previous_version(tmp_path / "previous")
    zone = start_zone(
        devices=2, satellites=1, primaries=1, before=lambda one: use_version(one, code)
    )
    administrator.remint_ca(zone.program(), 3600)
    operation = wait_for(zone.program(), "assigned", "applied")["id"]
    # The previous version writes it every ten seconds. Without it, the keys of an upgraded server
    # are those of a server that has no past, and are rejected.
    head = "audit-head.json"
    until(lambda: any(zone.home.rglob(head)), "the previous version has saved its audit head", 60)
    assert zone.interrupt() == 0
    database, dump = zone.home / "zcc.sqlite3", tmp_path / "dump.sqlite3"
    copy_database(database, dump)

    # The new version runs, but its worker does not, so the rows of the database get no MACs.
    use_version(zone, BASE_DIR)
    (zone.home / "hold").mkdir()
    (zone.home / "hold" / "ps-01.worker").touch()
    zone.start()
    zone.everybody_is_in_contact()
    assert wait_for(zone.program(), "assigned", "applied")["id"] == operation, "upgraded"
    zone.end_inside()
    assert zone.interrupt() == 0

    copy_database(dump, database)
    use_version(zone, code)
    zone.start()
    zone.everybody_is_in_contact()
    assert wait_for(zone.program(), "assigned", "applied")["id"] == operation, "rolled back"
    assert zone.interrupt() == 0

    use_version(zone, BASE_DIR)
    (zone.home / "hold" / "ps-01.worker").unlink(missing_ok=True)
    zone.start()
    zone.everybody_is_in_contact()
    api = zone.program()
    assert wait_for(api, "assigned", "applied")["id"] == operation, "upgraded again"
    until(lambda: has_entry(zone, "stamp-rows"), "the rows of the database have MACs", 120)
    api.put(f"/operations/{operation}/activation-time", activates_at=later(90))
    seen = zone.completes()
    assert len(seen["assigned"]) == 4
    until(lambda: has_entry(zone, "second-key"), "there is a second zone key", 120)
    assert zone.refused() == []
    zone.everybody_is_in_contact()


def has_entry(zone: RunningZone, action: str) -> bool:
    code = "from audit.models import Entry; print(Entry.objects.filter(action={!r}).exists())"
    return zone.run(code.format(action)).strip() == "True"
