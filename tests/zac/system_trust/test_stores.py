"""Trust stores of operating systems: which files are changed, and the command of Debian."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.zac.support.certificates import Root
from tests.zac.system_trust.conftest import FakeStore
from zac.system_trust import stores
from zac.system_trust.stores import StoreNotUpdated, SystemStore

ZONE = "12345678-aaaa-bbbb-cccc-dddddddddddd"


def name(digest: str) -> str:
    return stores.get_file_name(ZONE, digest)


def test_only_files_of_the_zone_are_changed(fake_store: FakeStore) -> None:
    others = ["company.crt", "zcc-87654321-0123456789abcdef.crt", "zcc-notes.txt"]
    for other in others:
        (fake_store.folder / other).write_text("x")
    fake_store.store.update(ZONE, {name("a" * 64): "A", name("b" * 64): "B"})
    assert fake_store.store.is_current(ZONE, {name("a" * 64): "A", name("b" * 64): "B"})
    fake_store.store.update(ZONE, {name("b" * 64): "B"})
    assert fake_store.list_names() == sorted([*others, name("b" * 64)])
    fake_store.store.update(ZONE, {})
    assert fake_store.list_names() == sorted(others)


def test_other_programs_can_read_the_files(fake_store: FakeStore) -> None:
    fake_store.store.update(ZONE, {name("a" * 64): "A"})
    assert (fake_store.folder / name("a" * 64)).stat().st_mode & 0o777 == 0o644


def test_a_modified_file_is_noticed(fake_store: FakeStore) -> None:
    wanted = {name("a" * 64): "A"}
    fake_store.store.update(ZONE, wanted)
    (fake_store.folder / name("a" * 64)).write_text("B")
    assert not fake_store.store.is_current(ZONE, wanted)


def test_a_command_that_fails_is_reported_with_its_reason(fake_store: FakeStore) -> None:
    fake_store.set_exit_code(1)
    with pytest.raises(StoreNotUpdated, match="disk full"):
        fake_store.store.update(ZONE, {})


def test_a_store_needs_its_folder_and_its_command(tmp_path: Path) -> None:
    assert not SystemStore("a", str(tmp_path / "missing"), ("/bin/true",)).is_installed()
    assert not SystemStore("a", str(tmp_path), ("/nonexistent/update",)).is_installed()
    assert SystemStore("a", str(tmp_path), ("/bin/true",)).is_installed()


def test_the_command_of_debian_adds_a_root_to_the_bundle_and_removes_it(tmp_path: Path) -> None:
    assert shutil.which("update-ca-certificates"), "the Debian package ca-certificates is missing"
    folders = {part: tmp_path / part for part in ("local", "certs", "etc", "hooks")}
    for folder in folders.values():
        folder.mkdir()
    (tmp_path / "ca-certificates.conf").write_text("\n")
    debian = next(store for store in stores.STORES if store.name == "ca-certificates")
    options = (
        *("--certsconf", str(tmp_path / "ca-certificates.conf")),
        *("--certsdir", str(folders["certs"]), "--localcertsdir", str(folders["local"])),
        *("--etccertsdir", str(folders["etc"]), "--hooksdir", str(folders["hooks"])),
    )
    store = SystemStore("test", str(folders["local"]), (*debian.command, *options))
    first, second = Root("Zone CA 1"), Root("Zone CA 2")
    store.update(ZONE, {name(root.sha256): root.pem for root in (first, second)})
    bundle = folders["etc"] / "ca-certificates.crt"
    assert first.pem in bundle.read_text()
    assert second.pem in bundle.read_text()
    store.update(ZONE, {name(second.sha256): second.pem})
    assert first.pem not in bundle.read_text()
    assert second.pem in bundle.read_text()
    links = [path for path in folders["etc"].iterdir() if path.is_symlink()]
    assert links
    assert all(path.exists() for path in links)


def test_the_service_can_write_to_each_store() -> None:
    for store in stores.STORES:
        assert any(store.folder.startswith(folder) for folder in stores.WRITTEN)
