"""The settings file is read as systemd reads it, or rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from zcc.installation import settings_file


def read(folder: Path, text: str) -> dict[str, str]:
    path = folder / "zcc.env"
    path.write_text(text)
    return settings_file.read(path)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("  A = 1  ", "1"),
        ("A=", ""),
        ("A=x y <z@example.com>", "x y <z@example.com>"),
        ('A="x y"', "x y"),
        ("A='x # y'", "x # y"),
        ("A=zcc-ca=certificate-administrator", "zcc-ca=certificate-administrator"),
        ("A=$HOME", "$HOME"),
    ],
)
def test_a_value_is_what_systemd_reads(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, f"# comment\n; comment\n\n{line}\n") == {"A": value}


def test_a_later_line_overrides_an_earlier_one(tmp_path: Path) -> None:
    assert read(tmp_path, "A=1\nA=2\n") == {"A": "2"}


@pytest.mark.parametrize("line", ["export A=1", "A", "A B=1", "1A=1"])
def test_a_line_that_is_not_a_setting_is_rejected(tmp_path: Path, line: str) -> None:
    with pytest.raises(settings_file.InvalidLine, match="line 2: a line must be NAME=VALUE"):
        read(tmp_path, f"B=1\n{line}\n")


@pytest.mark.parametrize("value", ["pass\\word", 'a"b', "it's", '"open', "line\\"])
def test_a_value_that_shell_and_systemd_read_differently_is_rejected(
    tmp_path: Path, value: str
) -> None:
    with pytest.raises(settings_file.InvalidLine, match="line 1, A") as caught:
        read(tmp_path, f"A={value}\n")
    assert value not in str(caught.value)
