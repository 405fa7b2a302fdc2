"""Every command starts the version in use, and the installed program where that is a later one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.agent_programs import BUILD, NEW, OLD, build_version
from tests.zac.upgrades.conftest import Installed
from wire.metadata import sha256
from zac.upgrades import launcher, programs
from zac.upgrades.programs import Program, UpgradeRecord


def use(installed: Installed, *releases: str) -> list[Path]:
    """Put versions in use, one after the other."""
    home = installed.host.home
    for release in releases:
        data = build_version(release)
        program = Program(sha256(data), f"{release}+{BUILD}")
        programs.start_trial(home, programs.load(home), program, data)
        programs.confirm_trial(home)
    held = programs.load(home)
    used = [one for one in (held.current, held.previous) if one]
    return [Path(programs.get_path(home, one)) for one in used]


def version(installed: Installed, *options: str) -> str:
    status = json.loads(installed.run(*options, "status", "--json"))
    return str(status["agent"]).partition("+")[0]


def test_a_command_runs_the_version_in_use(installed: Installed) -> None:
    assert version(installed) == OLD
    use(installed, NEW)
    assert version(installed) == NEW
    assert installed.run("--version") == f"zac {NEW}+{BUILD}\n"


@pytest.mark.parametrize("options", [("--home={}",), ("--home", "{}")])
def test_the_data_directory_of_the_arguments_counts(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    use(installed, NEW)
    home = installed.host.home.path
    monkeypatch.setattr(installed.host.home, "path", "/nonexistent")
    assert version(installed, *(option.format(home) for option in options)) == NEW


def test_an_installed_program_that_is_later_is_used(installed: Installed) -> None:
    use(installed, NEW)
    installed.program.write_bytes(build_version("2.0.0"))
    assert version(installed) == "2.0.0"


def test_the_previous_version_is_used_if_the_file_is_damaged(installed: Installed) -> None:
    current, previous = use(installed, "1.1.0", NEW)
    current.write_bytes(current.read_bytes()[:-1])
    assert version(installed) == "1.1.0"
    previous.unlink()
    assert version(installed) == OLD


def test_a_record_with_an_unknown_version_is_ignored(installed: Installed) -> None:
    data = build_version(NEW)
    program = Program(sha256(data), "latest")
    programs.start_trial(installed.host.home, UpgradeRecord(), program, data)
    programs.confirm_trial(installed.host.home)
    assert version(installed) == OLD


@pytest.mark.parametrize(
    ("arguments", "home"),
    [
        ([], "/etc/zac"),
        (["--service", "/srv/zac"], "/srv/zac"),
        (["status", "--home", "/srv/a", "--home=/srv/b"], "/srv/b"),
        (["status", "--home"], "/etc/zac"),
    ],
)
def test_the_data_directory_is_found_before_arguments_are_parsed(
    arguments: list[str], home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZAC_HOME", raising=False)
    assert launcher._find_home(arguments) == home
