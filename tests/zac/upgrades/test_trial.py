"""A version is used after it has contacted the zone, and another one continues if it does not.

These tests run real processes: the agent as a zip application of an older release.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.support.agent_programs import NEW, OLD, build_version
from tests.zac.support.zone import Zone
from tests.zac.upgrades.conftest import Installed, wait_until
from wire.metadata import sha256
from wire.update_messages import NOT_UPGRADED, UPGRADED
from zac.host.host import Host
from zac.upgrades import programs, trial
from zac.upgrades.programs import Program, UpgradeRecord

FAILS = "raise SystemExit(3)\n"
HANGS = "import time\n\ndef main(home):\n    time.sleep(600)\n"


def test_the_new_version_replaces_the_old_one(installed: Installed) -> None:
    installed.offer(build_version(NEW))
    with installed.service() as process:
        wait_until(lambda: programs.load(installed.host.home).state == UPGRADED)
        seen = len(installed.zone.refreshes)
        wait_until(lambda: len(installed.zone.refreshes) > seen + 1)
        assert installed.reported() == NEW
        result = installed.zone.refreshes[-1].agent_upgrade
        assert result is not None
        assert (result.id, result.state) == ("upgrade-1", UPGRADED)
        assert process.poll() is None, "it is the same process, so no supervisor is needed"
        command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        current = programs.load(installed.host.home).current
        assert current is not None
        assert programs.get_path(installed.host.home, current) in command
    assert f'"agent": "{NEW}+' in installed.run("status", "--json")
    assert installed.program.read_bytes() == build_version(OLD), "the installed file is kept"


def test_a_version_that_ends_is_not_used_and_the_reason_is_reported(installed: Installed) -> None:
    installed.offer(build_version(NEW, **{"zac/service.py": FAILS}))
    with installed.service() as process:
        wait_until(lambda: _result(installed.zone) == NOT_UPGRADED)
        assert installed.reported() == OLD
        report = installed.zone.refreshes[-1].agent_upgrade
        assert report is not None
        assert "exit code 3" in report.detail
        assert process.poll() is None
    assert programs.load(installed.host.home).current is None


def test_a_version_that_does_not_contact_the_zone_is_ended(
    installed: Installed, tmp_path: Path
) -> None:
    program = _store(installed.host, build_version(NEW, **{"zac/service.py": HANGS}))
    with (tmp_path / "lock").open("w") as lock:
        reason = trial._run(installed.host, program, 1, lock.fileno())
    assert reason == "it did not contact a server within 1 seconds."
    path = programs.get_path(installed.host.home, program)
    left = [child for child in psutil.Process().children() if path in child.cmdline()]
    assert left == []


def test_a_version_on_trial_ends_even_if_nobody_waits_for_it(installed: Installed) -> None:
    """Its alarm is set before it starts, and stays set in the program."""
    program = _store(installed.host, build_version(NEW, **{"zac/service.py": HANGS}))
    child = os.fork()
    if child == 0:
        trial._start(installed.host, program, 1 - trial.ALARM_MARGIN, 0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGALRM


@pytest.mark.parametrize("tries", [0, trial.MAX_TRIES])
def test_a_damaged_file_is_not_started(
    installed: Installed, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = _store(installed.host, build_version(NEW))
    held = UpgradeRecord(trial=program, tries=tries, time_limit=10, offer="upgrade-1")
    programs.save(installed.host.home, held)
    path = Path(programs.get_path(installed.host.home, program))
    if tries == 0:
        path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(trial, "_run", None)
    assert not trial.run_pending(installed.host, 0)
    after = programs.load(installed.host.home)
    assert (after.trial, after.state) == (None, NOT_UPGRADED)
    assert ("damaged" if tries == 0 else "started 3 times") in after.detail
    assert not path.exists()


@pytest.mark.parametrize("moment", ["download", "trial", "confirmed"])
def test_after_kill_9_at_any_moment_an_agent_runs(installed: Installed, moment: str) -> None:
    """The whole process group is killed, as systemd or a power failure does it."""
    home = installed.host.home
    installed.offer(build_version(NEW))
    moments = {
        "download": lambda: bool(programs.load(home).offer),
        "trial": lambda: programs.load(home).tries == 1,
        "confirmed": lambda: programs.load(home).state == UPGRADED,
    }
    with installed.service() as process:
        wait_until(moments[moment])
        os.killpg(process.pid, signal.SIGKILL)
    with installed.service():
        wait_until(lambda: _result(installed.zone) == UPGRADED and installed.reported() == NEW)


def test_a_killed_trial_leaves_the_old_version(installed: Installed) -> None:
    installed.offer(build_version(NEW, **{"zac/service.py": HANGS}))
    with installed.service() as process:
        wait_until(lambda: bool(_children(process.pid)))
        os.kill(_children(process.pid)[0], signal.SIGKILL)
        wait_until(lambda: _result(installed.zone) == NOT_UPGRADED)
        assert installed.reported() == OLD
        assert process.poll() is None


def test_a_stopped_service_stops_the_trial(installed: Installed) -> None:
    installed.offer(build_version(NEW, **{"zac/service.py": HANGS}))
    with installed.service() as process:
        wait_until(lambda: bool(_children(process.pid)))
        child = _children(process.pid)[0]
        process.terminate()
        assert process.wait(60) == 0
    assert not Path(f"/proc/{child}").exists()
    held = programs.load(installed.host.home)
    assert held.trial is not None, "it is tried again at the next start"


def _store(host: Host, data: bytes) -> Program:
    program = Program(sha256(data), f"{NEW}+0123456789ab")
    programs.start_trial(host.home, UpgradeRecord(time_limit=10), program, data)
    return program


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _result(zone: Zone) -> str:
    last = zone.refreshes[-1].agent_upgrade if zone.refreshes else None
    return last.state if last is not None else ""
