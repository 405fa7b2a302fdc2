"""The commands of backups, with the files that an administrator gets.

See: D-196
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import Entry
from pki.backup import recipients
from tests.certificates.backup.conftest import BackedUpZone

pytestmark = pytest.mark.django_db(transaction=True)


def run(command: str, *arguments: object) -> str:
    output = io.StringIO()
    call_command(command, *map(str, arguments), stdout=output)
    return output.getvalue()


@pytest.fixture
def key(backed_up: BackedUpZone, tmp_path: Path) -> Path:
    path = tmp_path / "key.txt"
    path.touch(0o600)
    path.write_text(backed_up.identity)
    return path


def test_back_up_prove_and_open(backed_up: BackedUpZone, key: Path, tmp_path: Path) -> None:
    path = backed_up.directory
    assert "Created " in run("backup")
    [path] = backed_up.directory.iterdir()
    assert Entry.objects.get(action="back-up-zone").actor.startswith("system user ")
    said = run("prove_backup")
    assert f"{path.name} can be restored: 1 devices" in said
    assert "Devices accept a certificate of the restored CA." in said
    assert "can be restored" in run("prove_backup", path, "--identity", key)
    target = tmp_path / "opened"
    said = run("open_backup", path, "--identity", key, "--to", target)
    assert "Backup of ps-01 in the zone TEST-ZONE" in said
    vault = target / "server" / "vault" / "vault.key"
    assert vault.read_text() == (backed_up.zone.home / "vault" / "vault.key").read_text()
    assert (target / "server" / "security" / "current").readlink() == Path("gen-1")
    assert target.stat().st_mode & 0o077 == vault.stat().st_mode & 0o077 == 0


def test_a_folder_that_exists_is_not_used(
    backed_up: BackedUpZone, key: Path, tmp_path: Path
) -> None:
    path = backed_up.back_up()
    with pytest.raises(CommandError, match="already exists"):
        run("open_backup", path, "--identity", key, "--to", tmp_path)


def test_another_key_opens_nothing(backed_up: BackedUpZone, key: Path, tmp_path: Path) -> None:
    path = backed_up.back_up()
    key.write_text(recipients.generate_identity())
    with pytest.raises(CommandError, match="not encrypted for this key"):
        run("open_backup", path, "--identity", key, "--to", tmp_path / "opened")
    assert not (tmp_path / "opened").exists()


def test_a_key_that_others_can_read_is_rejected(
    backed_up: BackedUpZone, key: Path, tmp_path: Path
) -> None:
    path = backed_up.back_up()
    key.chmod(0o644)
    with pytest.raises(CommandError, match="accessible to other users"):
        run("open_backup", path, "--identity", key, "--to", tmp_path / "opened")


def test_a_failed_command_says_what_to_do(backed_up: BackedUpZone) -> None:
    with pytest.raises(CommandError, match=r"contains no backup of ps-01\. Create a new backup"):
        run("prove_backup")
    backed_up.settings.BACKUP_RECIPIENT = ""
    with pytest.raises(CommandError, match="Set ZCC_BACKUP_DIRECTORY"):
        run("backup")
