"""Files that are encrypted for age recipients: who can open them, and what damage does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pki.backup import recipients
from pki.errors import CannotOpen, WrongKey

TEXT = b"secret " * 20_000


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, str, str]:
    """A file for two recipients, and the identities of both."""
    first, second = recipients.generate_identity(), recipients.generate_identity()
    (tmp_path / "plain").write_bytes(TEXT)
    target = tmp_path / "sealed.age"
    own = [recipients.get_recipient(first), recipients.get_recipient(second)]
    recipients.encrypt_file(tmp_path / "plain", target, own)
    return target, first, second


def test_each_recipient_opens_it_and_nobody_else(
    sealed: tuple[Path, str, str], tmp_path: Path
) -> None:
    path, *identities = sealed
    for identity in identities:
        recipients.decrypt_file(path, tmp_path / "opened", identity)
        assert (tmp_path / "opened").read_bytes() == TEXT
    with pytest.raises(WrongKey, match="not encrypted for this key"):
        recipients.decrypt_file(path, tmp_path / "other", recipients.generate_identity())


def test_the_file_of_age_keygen_is_an_identity(
    sealed: tuple[Path, str, str], tmp_path: Path
) -> None:
    path, identity, _ = sealed
    file = (
        f"# created: 2026-01-01\n# public key: {recipients.get_recipient(identity)}\n{identity}\n"
    )
    recipients.decrypt_file(path, tmp_path / "opened", file)
    assert (tmp_path / "opened").read_bytes() == TEXT


def test_an_ssh_key_is_a_recipient(tmp_path: Path) -> None:
    key = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True)
    (tmp_path / "plain").write_bytes(TEXT)
    public = (tmp_path / "key.pub").read_text()
    recipients.encrypt_file(tmp_path / "plain", tmp_path / "sealed", [public])
    recipients.decrypt_file(tmp_path / "sealed", tmp_path / "opened", key.read_text())
    assert (tmp_path / "opened").read_bytes() == TEXT


@pytest.mark.parametrize("where", [0.001, 0.01, 0.5, 0.999])
def test_a_changed_octet_is_found(
    sealed: tuple[Path, str, str], tmp_path: Path, where: float
) -> None:
    path, identity, _ = sealed
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(data)
    with pytest.raises((CannotOpen, WrongKey)):
        recipients.decrypt_file(path, tmp_path / "opened", identity)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_found(
    sealed: tuple[Path, str, str], tmp_path: Path, kept: float
) -> None:
    path, identity, _ = sealed
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(CannotOpen):
        recipients.decrypt_file(path, tmp_path / "opened", identity)


@pytest.mark.parametrize("text", ["", "age1", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1ABC"])
def test_what_is_not_a_recipient_is_rejected(text: str) -> None:
    with pytest.raises(WrongKey, match="age recipient"):
        recipients.check_recipient(text)


@pytest.mark.parametrize("text", ["", "age1", "AGE-SECRET-KEY-1ABC"])
def test_what_is_not_an_identity_is_rejected_and_not_shown(
    sealed: tuple[Path, str, str], tmp_path: Path, text: str
) -> None:
    with pytest.raises(WrongKey) as caught:
        recipients.decrypt_file(sealed[0], tmp_path / "opened", text)
    assert not text or text not in str(caught.value)
