"""Which files are hooks, and which of them are not run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.zac.hooks.conftest import WriteHook
from zac.hooks import folder
from zac.host.host import Host


def list_problems(device: Host) -> dict[str, str]:
    return {hook.name: hook.problem for hook in folder.list_hooks(device.home)}


def test_names_follow_run_parts_and_give_the_order(device: Host, write_hook: WriteHook) -> None:
    for name in ("20-b", "10-a", "Z_last", "README.txt", "30-c.dpkg-old", ".hidden", "40-d~"):
        write_hook(name)
    write_hook("50-not-executable", mode=0o644)
    (Path(device.home.path) / folder.FOLDER / "60-folder").mkdir()
    assert list(list_problems(device).items()) == [("10-a", ""), ("20-b", ""), ("Z_last", "")]


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_hook_that_others_can_change_is_not_run(
    device: Host, write_hook: WriteHook, mode: int
) -> None:
    write_hook("10-a", mode=mode)
    assert "other users can write to" in list_problems(device)["10-a"]


def test_no_hook_of_a_folder_that_others_can_change_is_run(
    device: Host, write_hook: WriteHook
) -> None:
    write_hook("10-a").parent.chmod(0o777)
    assert "other users can write to" in list_problems(device)["10-a"]


def test_a_hook_of_another_user_is_not_run(
    device: Host, write_hook: WriteHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_hook("10-a")
    stranger = 12345
    real = os.lstat

    class Status:
        st_mode, st_uid = real(path).st_mode, stranger

    monkeypatch.setattr("os.lstat", lambda one: Status if one == str(path) else real(one))
    assert "belongs to another user" in list_problems(device)["10-a"]


def test_a_symbolic_link_is_not_followed(
    device: Host, write_hook: WriteHook, tmp_path: Path
) -> None:
    target = write_hook("10-a").rename(tmp_path / "program")
    (Path(device.home.path) / folder.FOLDER / "10-a").symlink_to(target)
    assert "is a symbolic link" in list_problems(device)["10-a"]


def test_the_number_of_hooks_is_limited(device: Host, write_hook: WriteHook) -> None:
    for number in range(folder.MAX_HOOKS + 1):
        write_hook(f"h{number:02}")
    problems = list_problems(device)
    assert [name for name, problem in problems.items() if problem] == [f"h{folder.MAX_HOOKS}"]


def test_a_device_without_the_folder_has_no_hooks(device: Host) -> None:
    assert folder.list_hooks(device.home) == []
