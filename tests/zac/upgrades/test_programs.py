"""The record of the versions of an agent, and the files that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from wire.metadata import sha256
from wire.update_messages import NOT_UPGRADED, UPGRADED, AgentUpgradeResult
from zac.host.home import Home
from zac.upgrades import programs
from zac.upgrades.programs import Program, UpgradeRecord


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path))


def try_version(home: Home, version: str) -> Program:
    program = Program(sha256(version.encode()), version)
    programs.start_trial(home, programs.load(home), program, version.encode())
    return program


def files(home: Home) -> set[str]:
    return {path.name for path in Path(home.path, "agent").iterdir()} - {programs.NAME}


def test_the_previous_version_is_kept_and_others_are_deleted(home: Home) -> None:
    stored = []
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        stored.append(try_version(home, version))
        programs.confirm_trial(home)
    held = programs.load(home)
    assert (held.previous, held.current, held.trial) == (stored[1], stored[2], None)
    assert files(home) == {f"{one.sha256}.pyz" for one in stored[1:]}


def test_a_failed_version_is_deleted_and_the_one_in_use_stays(home: Home) -> None:
    current = try_version(home, "1.0.0")
    programs.confirm_trial(home)
    try_version(home, "1.1.0")
    programs.end_trial(home, "It failed.")
    held = programs.load(home)
    assert (held.current, held.trial, held.state) == (current, None, NOT_UPGRADED)
    assert files(home) == {f"{current.sha256}.pyz"}


def test_there_is_no_result_while_a_version_is_on_trial(home: Home) -> None:
    assert programs.get_result(home) is None
    programs.save(home, UpgradeRecord(offer="upgrade-1"))
    try_version(home, "1.0.0")
    assert programs.get_result(home) is None
    programs.confirm_trial(home)
    assert programs.get_result(home) == AgentUpgradeResult("upgrade-1", UPGRADED)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"current": 1}'])
def test_with_a_damaged_record_the_installed_program_is_in_use(home: Home, text: str) -> None:
    path = Path(home.path, "agent", programs.NAME)
    path.parent.mkdir()
    path.write_text(text)
    assert programs.load(home) == UpgradeRecord()
    assert programs.get_result(home) is None


def test_a_confirmation_without_a_trial_changes_nothing(home: Home) -> None:
    programs.confirm_trial(home)
    assert not Path(home.path, "agent").exists()
