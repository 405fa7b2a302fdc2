"""A swap of trust, key and chain is whole or not there, wherever the process dies (F-20, F-21).

Every call that changes the file system is counted, and the process "dies" before or after each
of them; a write may be torn. Then a reader looks, and the run is repeated.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.zac.support.certificates import Root
from tests.zac.support.crash import Died, DyingOs, calls_of
from wire.messages import Trust
from zac.host import files
from zac.host.home import DamagedFile
from zac.trust import pem
from zac.trust.store import Generation, TrustStore

OLD_ROOT, NEW_ROOT = Root("Old"), Root("New")
OLD = Generation(Trust(OLD_ROOT.pem, pending=[NEW_ROOT.pem]), OLD_ROOT.server("127.0.0.1"))
NEW = Generation(Trust(NEW_ROOT.pem, in_grace=[OLD_ROOT.pem]), NEW_ROOT.server("127.0.0.1"))


def begin(folder: Path) -> TrustStore:
    trust_store = TrustStore(str(folder / "security"))
    trust_store.activate(OLD)
    return trust_store


def seen(trust_store: TrustStore) -> str:
    """Return which generation a reader sees; raises Damaged for a mix."""
    found = trust_store.current()
    # A reader that knows nothing of meta.json must not see a mix either.
    folder = Path(trust_store.path, "current").resolve()
    assert (folder / "server.pem").read_text() == found.server
    assert pem.split((folder / "ca.pem").read_text())[0] == found.trust.current
    return "old" if found == OLD else "new" if found == NEW else "mix"


def test_killed_anywhere_a_reader_sees_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path / "count")
    trust_store = TrustStore(str(tmp_path / "count" / "security"))
    points = calls_of(lambda: trust_store.activate(NEW), monkeypatch)
    assert points > 25
    outcome: Counter[str] = Counter()
    begin(tmp_path / "begun")
    for moment in ("before", "after", "torn"):
        for at in range(1, points + 1):
            folder = tmp_path / f"{moment}-{at}"
            shutil.copytree(tmp_path / "begun", folder, symlinks=True)
            trust_store = TrustStore(str(folder / "security"))
            with monkeypatch.context() as patch:
                patch.setattr(files, "os", DyingOs(at, moment))
                with pytest.raises(Died):
                    trust_store.activate(NEW)
            outcome[seen(trust_store)] += 1
            trust_store.activate(NEW)
            assert seen(trust_store) == "new"
            shutil.rmtree(folder)
    assert outcome["mix"] == 0
    assert outcome["old"] > 0
    assert outcome["new"] > 0


def copy_over(folder: Path) -> None:
    for name, data in NEW.files().items():
        files.write(str(folder / name), data)


def test_the_suite_finds_a_naive_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin that must fail: files copied over one by one into the folder in force."""
    mixes = 0
    for at in range(1, 12):
        trust_store = begin(tmp_path / str(at))
        folder = Path(trust_store.path, "current").resolve()
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", DyingOs(at, "after"))
            with pytest.raises(Died):
                copy_over(folder)
        try:
            mixes += seen(trust_store) == "mix"
        except (DamagedFile, AssertionError):
            mixes += 1
    assert mixes > 0


@pytest.mark.parametrize("moment", ["before", "after", "torn"])
def test_a_file_is_whole_wherever_the_writer_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "state.json"
    files.write(str(path), b"old")
    points = calls_of(lambda: files.write(str(path), b"old"), monkeypatch)
    for at in range(1, points + 1):
        files.write(str(path), b"old state")
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", DyingOs(at, moment))
            with pytest.raises(Died):
                files.write(str(path), b"new state, longer than before")
        assert path.read_bytes() in (b"old state", b"new state, longer than before")


def test_a_full_disk_leaves_the_old_generation_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-17."""
    trust_store = begin(tmp_path)

    class Full(DyingOs):
        def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def refuse(*args: Any, **kwargs: Any) -> Any:
                if name == "write":
                    raise OSError(28, "No space left on device")
                return call(*args, **kwargs)

            return refuse

    with monkeypatch.context() as patch:
        patch.setattr(files, "os", Full(0, ""))
        with pytest.raises(files.NoSpace, match="No space left"):
            trust_store.activate(NEW)
    assert seen(trust_store) == "old"
    trust_store.activate(NEW)
    assert seen(trust_store) == "new"


@pytest.mark.parametrize("name", ["ca.pem", "server.pem", "previous.pem"])
def test_an_altered_generation_is_not_used(tmp_path: Path, name: str) -> None:
    trust_store = begin(tmp_path)
    path = Path(trust_store.path, "current", name)
    path.write_text(path.read_text() + "x")
    with pytest.raises(DamagedFile):
        trust_store.current()


def test_a_generation_without_meta_is_not_gone_to(tmp_path: Path) -> None:
    trust_store = begin(tmp_path)
    old = trust_store.current_name()
    trust_store.activate(NEW)
    Path(trust_store.path, old, "meta.json").unlink()
    with pytest.raises(DamagedFile):
        trust_store.switch_to(old)
    assert seen(trust_store) == "new"


def test_the_same_content_is_the_same_generation(tmp_path: Path) -> None:
    trust_store = begin(tmp_path)
    assert not trust_store.activate(OLD)
    assert trust_store.activate(NEW)
    assert trust_store.activate(OLD)
    assert len(files.list_names(trust_store.path)) == 3


def test_old_generations_go_but_the_way_back_stays(tmp_path: Path) -> None:
    trust_store = begin(tmp_path)
    old = trust_store.current_name()
    trust_store.activate(NEW)
    trust_store.delete_except([old])
    assert len(files.list_names(trust_store.path)) == 3
    trust_store.delete_except([])
    assert files.list_names(trust_store.path) == ["current", NEW.name()]


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    trust_store = begin(tmp_path)
    assert Path(trust_store.server_certificate_path()).stat().st_mode & 0o777 == 0o600
    assert Path(trust_store.path).stat().st_mode & 0o777 == 0o700
