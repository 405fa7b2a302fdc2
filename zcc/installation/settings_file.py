"""Read the settings file of a server, /etc/zcc/zcc.env, as systemd reads it.

Only the standard library, because `zcc-manage` reads it as root before it becomes user zcc.

See: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=
"""

from __future__ import annotations

import re
from pathlib import Path

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
QUOTES = "\"'"


class InvalidLine(Exception):
    """A line is not a setting, or shell and systemd would read it differently."""


def read(path: Path) -> dict[str, str]:
    """Return the variables in a file: lines NAME=VALUE, comments, and empty lines.

    A value can be in single or double quotes. Backslashes and other quotes raise InvalidLine.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        name, sign, value = text.partition("=")
        name, value = name.rstrip(), value.lstrip()
        if not sign or not NAME.match(name):
            raise InvalidLine(f"{path}, line {number}: a line must be NAME=VALUE.")
        found[name] = _unquote(value, f"{path}, line {number}, {name}")
    return found


def _unquote(value: str, place: str) -> str:
    plain = value
    if len(value) > 1 and value[0] in QUOTES and value[-1] == value[0]:
        plain = value[1:-1]
    if "\\" in plain or any(quote in plain for quote in QUOTES):
        # The value can be a password and must not be shown.
        raise InvalidLine(f"{place}: a value must not contain quotes or backslashes.")
    return plain
