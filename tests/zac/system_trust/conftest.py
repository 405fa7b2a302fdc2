"""A trust store of a system, in a folder, with a command that records its runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from zac.system_trust import stores
from zac.system_trust.stores import SystemStore


class FakeStore:
    """A store whose command appends the names of the files to a log."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "anchors"
        self.folder.mkdir()
        self.log = base / "runs.txt"
        self.command = base / "update"
        self.set_exit_code(0)
        self.store = SystemStore("fake", str(self.folder), (str(self.command),))

    def set_exit_code(self, code: int) -> None:
        script = f"#!/bin/sh\nls {self.folder} | tr '\\n' ' ' >> {self.log}\necho >> {self.log}\n"
        self.command.write_text(script + f"[ {code} = 0 ] || echo disk full\nexit {code}\n")
        self.command.chmod(0o755)

    def list_names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def count_runs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def fake_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    base = tmp_path / "system"
    base.mkdir()
    fake = FakeStore(base)
    monkeypatch.setattr(stores, "STORES", (fake.store,))
    return fake
