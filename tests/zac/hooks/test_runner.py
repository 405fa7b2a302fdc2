"""Hooks run after changes of trust and activations: at least once, with a time limit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zac.hooks.conftest import WriteHook
from tests.zac.support.certificates import Root
from tests.zac.support.zone import Zone, read_lines
from wire.records import replace
from zac.hooks import report, runner
from zac.hooks.events import Event
from zac.host.home import Home
from zac.host.host import Host
from zac.updates import refresh

ReadRuns = Callable[[], list[str]]
# Like the agent after an activation, in a process of its own that a hook can kill.
PROGRAM = """
import sys
from zac.hooks import runner
from zac.host.home import Home
from zac.host.host import Host
runner.run_due(Host(Home(sys.argv[1])))
"""


def list_states(device: Host) -> list[tuple[str, str, str]]:
    journal = runner.load(device.home)
    return [(one.event, one.name, one.state) for one in journal.results]


def test_hooks_run_at_each_stage_of_a_change_of_the_ca(
    zone: Zone, device: Host, write_hook: WriteHook, read_runs: ReadRuns
) -> None:
    write_hook("10-a")
    write_hook("20-b")
    assert runner.run_due(device)
    first = ["trust-changed", "activated"]
    assert read_runs() == [f"{name} {event}" for event in first for name in ("10-a", "20-b")]
    assert not runner.run_due(device)
    assert read_runs() == []

    future = Root("Zone CA 2")
    zone.update(future)
    refresh.refresh(device)
    runner.run_due(device)
    assert read_runs() == ["10-a trust-changed", "20-b trust-changed"]

    zone.shift = 7200
    device.clock.learn(zone.now())
    refresh.refresh(device)
    runner.run_due(device)
    assert read_runs() == ["10-a activated", "20-b activated"]

    trust = device.trust_store.current()
    device.trust_store.activate(replace(trust, trust=replace(trust.trust, in_grace=[])))
    runner.run_due(device)
    assert read_runs() == ["10-a retired", "20-b retired"]


def test_the_environment_names_files_and_contains_no_secrets(
    zone: Zone, device: Host, write_hook: WriteHook
) -> None:
    values = Path(device.home.path) / "values.txt"
    update = zone.update(Root("Zone CA 2"), activate_at=int(zone.now()) - 60)
    write_hook("10-a", f"[ $ZAC_EVENT != activated ] || env > {values}")
    refresh.refresh(device)
    runner.run_due(device)
    found = dict(line.split("=", 1) for line in values.read_text().splitlines())
    assert Path(found["ZAC_ROOTS"]).read_text().count("BEGIN CERTIFICATE") == 2
    assert found["ZAC_EVENT"] == "activated"
    assert found["ZAC_UPDATE"] == update.id
    assert found["ZAC_ZONE"] == zone.id
    assert found["ZAC_HOME"] == device.home.path
    assert found["ZAC_CERTIFICATE"] == ""
    assert set(found["ZAC_ROOTS_ADDED"].split()) == {zone.root.sha256, update.root_sha256}
    assert device.device.secret not in values.read_text()


def test_a_server_gets_the_path_of_its_certificate(satellite: Host) -> None:
    event = Event("activated", [], [])
    path = Path(runner.build_environment(satellite, event)["ZAC_CERTIFICATE"])
    assert path.read_text() == satellite.trust_store.current().server


def test_failures_are_results_and_stop_nothing(
    device: Host, write_hook: WriteHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 1.0)
    write_hook("10-fails", "echo reason; exit 7")
    write_hook("20-hangs", "sleep 600")
    write_hook("30-unsafe", mode=0o777)
    write_hook("40-works", "echo done")
    runner.run_due(device)
    results = [one for one in runner.load(device.home).results if one.event == "activated"]
    assert [(one.name, one.state) for one in results] == [
        ("10-fails", "failed"),
        ("20-hangs", "timed-out"),
        ("30-unsafe", "not-run"),
        ("40-works", "succeeded"),
    ]
    assert (results[0].exit_code, results[0].detail) == (7, "reason")
    assert "other users can write to" in results[2].detail
    failed = [one for one in read_lines(Path(device.home.path_to("journal.jsonl")))
              if one["event"] == "hook-failed"]  # fmt: skip
    assert {one["hook"] for one in failed} == {"10-fails", "20-hangs", "30-unsafe"}


def test_the_detail_is_one_short_line(device: Host, write_hook: WriteHook) -> None:
    write_hook("10-a", r"printf 'a\033[1mb\n'; yes x | tr -d '\n' | head -c 5000")
    runner.run_due(device)
    detail = runner.load(device.home).results[0].detail
    assert len(detail) == runner.MAX_DETAIL
    assert detail.isprintable()


def test_a_hook_that_was_interrupted_runs_again_and_a_finished_one_does_not(
    device: Host, write_hook: WriteHook, read_runs: ReadRuns
) -> None:
    write_hook("10-a")
    once = Path(device.home.path) / "killed"
    write_hook("20-b", f"[ -e {once} ] || {{ touch {once}; kill -9 $PPID; sleep 600; }}")
    done = subprocess.run([sys.executable, "-c", PROGRAM, device.home.path], check=False)
    assert done.returncode == -9
    assert report.build(device.home) is None
    runner.run_due(Host(Home(device.home.path)))
    runs = read_runs()
    assert runs.count("10-a trust-changed") == 1
    assert runs.count("20-b trust-changed") == 2
    assert {state for _, _, state in list_states(device)} == {"succeeded"}


def test_a_hook_that_always_ends_the_agent_is_given_up(
    device: Host, write_hook: WriteHook, read_runs: ReadRuns
) -> None:
    write_hook("10-a", "[ $ZAC_EVENT = activated ] || kill -9 $PPID; exit 0")
    write_hook("20-b")
    command = [sys.executable, "-c", PROGRAM, device.home.path]
    codes = [subprocess.run(command, check=False).returncode for _ in range(4)]
    assert codes == [-9, -9, -9, 0]
    assert read_runs().count("10-a trust-changed") == runner.MAX_STARTS
    assert ("trust-changed", "10-a", "interrupted") in list_states(device)
    assert ("activated", "20-b", "succeeded") in list_states(device)


def test_a_stopped_agent_ends_its_hook_and_runs_it_again(
    device: Host, write_hook: WriteHook, read_runs: ReadRuns
) -> None:
    write_hook("10-a", "sleep 600")
    assert runner.run_due(device, lambda: True)
    assert list_states(device) == []
    write_hook("10-a")
    read_runs()
    runner.run_due(device)
    assert read_runs() == ["10-a trust-changed", "10-a activated"]


def test_a_damaged_journal_runs_the_hooks_again(
    device: Host, write_hook: WriteHook, read_runs: ReadRuns
) -> None:
    write_hook("10-a")
    Path(device.home.path_to(runner.FILE)).write_text("{")
    runner.run_due(device)
    assert read_runs()


def test_results_are_reported_with_the_next_refresh(
    zone: Zone, device: Host, write_hook: WriteHook
) -> None:
    refresh.refresh(device)
    assert zone.refreshes[-1].host_report is None
    write_hook("10-a", "exit 1")
    runner.run_due(device)
    refresh.refresh(device)
    reported = zone.refreshes[-1].host_report
    assert reported is not None
    assert reported.hooks is not None
    assert [one.state for one in reported.hooks.results] == ["failed", "failed"]
    assert reported.hooks.at == pytest.approx(zone.now(), abs=60)


def test_the_journal_is_private_and_has_no_secret(device: Host, write_hook: WriteHook) -> None:
    write_hook("10-a")
    runner.run_due(device)
    path = Path(device.home.path_to(runner.FILE))
    assert path.stat().st_mode & 0o777 == 0o600
    assert device.device.secret not in path.read_text()
    assert json.loads(path.read_text())["target"] is None
