"""Sealing to a vault key and private files (RFC 9180; docs/decisions.md D-30)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import CannotOpen, UnsafeFile, WrongKey
from pki.protection.sealing import (
    generate_vault_key,
    open_sealed,
    read_private_file,
    seal,
    write_private_file,
)

VAULT = generate_vault_key()


@given(st.binary(max_size=300), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_what_is_sealed_opens(plaintext: bytes, binding: str) -> None:
    blob = seal(plaintext, to=VAULT.public, binding=binding)
    assert open_sealed(blob, private=VAULT.private, binding=binding) == plaintext


def test_each_blob_differs_and_hides_its_content() -> None:
    blobs = {seal(b"secret", to=VAULT.public, binding="a") for _ in range(20)}
    assert len(blobs) == 20
    assert not any("secret" in blob or "c2VjcmV0" in blob for blob in blobs)


def test_a_blob_that_was_moved_does_not_open() -> None:
    blob = seal(b"secret", to=VAULT.public, binding="authority|1|key|1")
    for other in ("authority|2|key|1", "authority|1|key|2", "", "authority|1|key|1 "):
        with pytest.raises(CannotOpen):
            open_sealed(blob, private=VAULT.private, binding=other)


def test_another_key_does_not_open_it() -> None:
    blob = seal(b"secret", to=VAULT.public, binding="a")
    with pytest.raises(CannotOpen):
        open_sealed(blob, private=generate_vault_key().private, binding="a")


def test_no_changed_blob_opens() -> None:
    blob = seal(b"secret", to=VAULT.public, binding="a")
    for at in range(len(blob)):
        changed = blob[:at] + ("A" if blob[at] != "A" else "B") + blob[at + 1 :]
        with pytest.raises(CannotOpen) as caught:
            open_sealed(changed, private=VAULT.private, binding="a")
        assert caught.value.__cause__ is None
    for cut in (
        "",
        "zcc-sealed-1:",
        blob[:-4],
        blob + "AAAA",
        "\ud800",
        "zcc-sealed-2" + blob[12:],
    ):
        with pytest.raises(CannotOpen):
            open_sealed(cut, private=VAULT.private, binding="a")


def test_a_wrong_key_text_is_a_fault() -> None:
    for bad in ("", "x", "AAAA"):
        with pytest.raises(WrongKey):
            seal(b"secret", to=bad, binding="a")
        with pytest.raises(CannotOpen):
            open_sealed("zcc-sealed-1:AAAA", private=bad, binding="a")


def test_a_vault_key_does_not_print_its_private_part() -> None:
    assert VAULT.private not in repr(VAULT)


def test_a_private_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    before = os.umask(0)
    try:
        write_private_file(path, "secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_private_file(path) == "secret"


def test_a_private_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    write_private_file(path, "secret")
    with pytest.raises(UnsafeFile, match="not overwritten"):
        write_private_file(path, "other")
    assert read_private_file(path) == "secret"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFile):
        write_private_file(link, "secret")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_fails_half_way_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="space"):
        write_private_file(tmp_path / "vault.key", "secret")
    assert not (tmp_path / "vault.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "vault.key"
    write_private_file(path, "secret")
    path.chmod(mode)
    with pytest.raises(UnsafeFile, match=f"mode {mode:04o}") as caught:
        read_private_file(path)
    assert "chmod 600" in caught.value.action


def test_a_file_of_another_owner_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vault.key"
    write_private_file(path, "secret")
    somebody = os.geteuid() + 1
    monkeypatch.setattr("os.geteuid", lambda: somebody)
    with pytest.raises(UnsafeFile, match="another user"):
        read_private_file(path)


def test_missing_files_links_and_folders_are_refused(tmp_path: Path) -> None:
    write_private_file(tmp_path / "vault.key", "secret")
    (tmp_path / "link").symlink_to(tmp_path / "vault.key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("missing", "link", "", "pipe"):
        with pytest.raises(UnsafeFile):
            read_private_file(tmp_path / name)
