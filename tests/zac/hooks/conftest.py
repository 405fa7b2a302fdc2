"""Hooks in the data directory of a device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zac.hooks import folder
from zac.host.host import Host

WriteHook = Callable[..., Path]


@pytest.fixture
def write_hook(device: Host) -> WriteHook:
    """Return a function that writes a hook. Each run appends a line to ran.txt."""
    home = Path(device.home.path)
    path = home / folder.FOLDER
    path.mkdir(mode=0o755)

    def write(name: str, script: str = "", mode: int = 0o755) -> Path:
        hook = path / name
        ran = home / "ran.txt"
        hook.write_text(f'#!/bin/sh\necho "{name} $ZAC_EVENT" >> {ran}\n{script}\n')
        hook.chmod(mode)
        return hook

    return write


@pytest.fixture
def read_runs(device: Host) -> Callable[[], list[str]]:
    """Return a function that returns the hooks that ran since it was last called."""
    ran = Path(device.home.path) / "ran.txt"

    def read() -> list[str]:
        lines = ran.read_text().splitlines() if ran.exists() else []
        ran.unlink(missing_ok=True)
        return lines

    return read
