"""The launcher starts no program that is on hold, and starts it when the hold ends."""

from __future__ import annotations

import json
import time
from pathlib import Path

from zcc.runtime.processes import Program
from zcc.runtime.supervisor import Supervisor


def read_names(home: Path) -> set[str]:
    """Return the names of the running programs, as `processes.json` contains them."""
    return set(json.loads((home / "processes.json").read_text()))


def test_a_program_on_hold_is_started_when_the_hold_ends(tmp_path: Path) -> None:
    hold = tmp_path / "hold" / "worker"
    hold.parent.mkdir()
    hold.touch()
    supervisor = Supervisor(tmp_path, lambda _line: None)
    try:
        supervisor.add(Program("web", ["sleep", "60"]))
        supervisor.add(Program("worker", ["sleep", "60"]))
        supervisor.check()
        assert read_names(tmp_path) == {"web"}
        hold.unlink()
        end = time.monotonic() + 20
        while read_names(tmp_path) != {"web", "worker"}:
            assert time.monotonic() < end, "the worker was not started"
            supervisor.check()
    finally:
        supervisor.stop()
    assert read_names(tmp_path) == set()
