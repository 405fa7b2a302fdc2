"""The command that lists and runs hooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from zac.cli import commands
from zac.hooks import folder
from zac.host.host import Host


def write_hook(device: Host, name: str, script: str) -> None:
    hook = Path(folder.get_path(device.home)) / name
    hook.parent.mkdir(mode=0o755, exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def run(device: Host, *arguments: str) -> int:
    return commands.main(["--home", device.home.path, "hooks", *arguments])


def test_hooks_are_run_for_an_event_and_listed(
    device: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hook(device, "10-a", "echo reason $ZAC_EVENT; [ $ZAC_EVENT != retired ]")
    assert run(device, "run") == 0
    assert "10-a (activated): succeeded, exit code 0" in capsys.readouterr().out
    assert run(device, "run", "--event", "retired") == 1
    assert "10-a (retired): failed, exit code 1" in capsys.readouterr().out
    assert run(device) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Hooks in {folder.get_path(device.home)}:\n  10-a\n")
    assert shown.rstrip().endswith(": reason retired")


def test_the_list_says_why_a_hook_is_not_run(
    device: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hook(device, "10-a", "exit 0")
    (Path(folder.get_path(device.home)) / "10-a").chmod(0o777)
    assert run(device) == 0
    assert "10-a: other users can write to" in capsys.readouterr().out


def test_a_device_without_hooks_says_so(device: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(device) == 0
    assert capsys.readouterr().out == "There are no hooks on this device.\n"
