"""What a backup contains, who can read it, and what is kept.

See: D-196
"""

from __future__ import annotations

import json
import stat
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audit.models import Entry
from certificates.backup import archive, configuration, creation, databases, status
from certificates.models import Authority, BackupStatus
from faults import Fault, Refused
from pki.backup import recipients
from pki.errors import WrongKey
from tests.certificates.backup.conftest import BackedUpZone
from tests.support import factories
from zcc.tasks import run_backup

pytestmark = pytest.mark.django_db(transaction=True)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def list_members(backed_up: BackedUpZone, path: Path) -> dict[str, bytes]:
    plain = path.with_suffix(".tar")
    recipients.decrypt_file(path, plain, backed_up.identity)
    with tarfile.open(plain) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def test_it_contains_all_that_a_new_server_needs(
    backed_up: BackedUpZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "smtp"
    secret.write_text("smtp://user:pw@mail.example.com\n")
    monkeypatch.setenv("ZCC_SMTP_URL_FILE", str(secret))
    monkeypatch.setenv("ZCC_PKCS11_PIN_FILE", str(secret))
    found = list_members(backed_up, backed_up.back_up())
    home = backed_up.zone.home
    assert {
        *("manifest.json", "settings.json", "server/device.json", "server/vault/vault.key"),
        *("ca-vault/ca-vault.key", databases.FILE_NAMES[databases.get_kind()]),
        "server/security/gen-1/server.pem",
    } <= set(found)
    assert found["server/vault/vault.key"] == (home / "vault" / "vault.key").read_bytes()
    values = json.loads(found["settings.json"])
    assert values["ZCC_SMTP_URL"] == "smtp://user:pw@mail.example.com"
    assert values["ZCC_SECRET_KEY"] == backed_up.settings.SECRET_KEY
    assert "ZCC_PKCS11_PIN" not in values


def test_it_contains_no_drill_key_and_nothing_that_is_downloaded_again(
    backed_up: BackedUpZone,
) -> None:
    for name in ("content", "setup"):
        (backed_up.zone.home / name).mkdir()
        (backed_up.zone.home / name / "large").write_text("x")
    backed_up.back_up()
    found = list_members(backed_up, backed_up.back_up())
    assert not [name for name in found if "large" in name or configuration.DRILL_KEY in name]


def test_only_the_recipient_and_the_drill_can_read_it(
    backed_up: BackedUpZone, tmp_path: Path
) -> None:
    path = backed_up.back_up()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(configuration.get_drill_key_path().stat().st_mode) == 0o600
    for identity in (backed_up.identity, configuration.read_drill_identity()):
        recipients.decrypt_file(path, tmp_path / "opened", identity)
    with pytest.raises(WrongKey):
        recipients.decrypt_file(path, tmp_path / "other", recipients.generate_identity())
    for secret in ((backed_up.zone.home / "vault" / "vault.key").read_bytes(), b"SQLite format"):
        assert secret not in path.read_bytes()


def test_it_is_recorded_and_nothing_is_left(backed_up: BackedUpZone) -> None:
    path = backed_up.back_up()
    found = backed_up.status()
    assert found.size == path.stat().st_size
    assert found.ca_sha256 == Authority.objects.current().sha256
    assert Entry.objects.filter(action="back-up-zone", note=path.name).count() == 1
    assert not configuration.get_drill_key_path().with_name(configuration.WORK_FOLDER).exists()
    assert list(backed_up.directory.iterdir()) == [path]


@pytest.mark.parametrize("target", ["/etc/hosts", "../device.json", "two words"])
def test_no_backup_is_created_with_a_link_that_could_not_be_restored(
    backed_up: BackedUpZone, target: str
) -> None:
    link = backed_up.zone.home / "extra"
    link.symlink_to(target)
    with pytest.raises(Refused, match="symbolic link server/extra"):
        backed_up.back_up()
    assert "could not be restored" in backed_up.status().fault
    assert not list(backed_up.directory.glob("*"))
    link.unlink()
    assert backed_up.back_up().exists()


def test_no_backup_is_created_with_a_manifest_that_would_be_refused(
    backed_up: BackedUpZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MANIFEST", 1000)
    with pytest.raises(Refused, match="too many files"):
        backed_up.back_up()
    assert not list(backed_up.directory.glob("*"))


def test_a_link_without_other_files_in_its_folder_is_restored(
    backed_up: BackedUpZone, tmp_path: Path
) -> None:
    folder = backed_up.zone.home / "alone"
    folder.mkdir()
    (folder / "current").symlink_to("gen-9")
    opened = tmp_path / "opened"
    archive.read(backed_up.back_up(), backed_up.identity, opened)
    assert (opened / "server" / "alone" / "current").readlink() == Path("gen-9")


def test_the_oldest_are_deleted_and_other_files_are_kept(backed_up: BackedUpZone) -> None:
    backed_up.settings.BACKUP_KEEP = 2
    backed_up.directory.mkdir()
    others = ["notes.txt", "zcc-TEST_ZONE-ps_02-20200101T000000Z.age"]
    for name in others:
        (backed_up.directory / name).write_text("x")
    paths = [backed_up.back_up(ago=days * DAY) for days in (3, 2, 1)]
    assert {path.name for path in backed_up.directory.iterdir()} == {
        *others,
        *(path.name for path in paths[1:]),
    }


def test_a_directory_that_cannot_be_written_is_reported(backed_up: BackedUpZone) -> None:
    backed_up.directory.write_text("not a directory")
    with pytest.raises(Fault, match="cannot be written"):
        backed_up.back_up()
    assert "cannot be written" in backed_up.status().fault
    assert backed_up.status().created_at is None
    with pytest.raises(Fault):
        backed_up.back_up()
    assert Entry.objects.filter(action="backup-failed").count() == 1, "the same reason"
    backed_up.directory.unlink()
    backed_up.back_up()
    assert backed_up.status().fault == ""


def test_without_the_programs_of_postgresql_it_says_what_to_install(
    backed_up: BackedUpZone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(databases, "get_kind", lambda: databases.POSTGRESQL)
    command = (["pg_dump-absent", "zcc"], None)
    client = connection.client
    monkeypatch.setattr(type(client), "settings_to_cmd_args_env", lambda *_: command, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Fault, match="pg_dump is not installed on this server") as caught:
        backed_up.back_up()
    assert "postgresql-client" in caught.value.action


@pytest.mark.parametrize("missing", ["BACKUP_DIRECTORY", "BACKUP_RECIPIENT"])
def test_without_both_settings_nothing_is_created(backed_up: BackedUpZone, missing: str) -> None:
    setattr(backed_up.settings, missing, "")
    with pytest.raises(configuration.NotConfigured):
        backed_up.back_up()
    run_backup()
    assert not backed_up.directory.exists()
    assert not BackupStatus.objects.exists()


def test_a_recipient_that_is_not_valid_is_rejected(backed_up: BackedUpZone) -> None:
    backed_up.settings.BACKUP_RECIPIENT = "age1wrong"
    with pytest.raises(WrongKey, match="recipient"):
        backed_up.back_up()
    run_backup()
    assert "recipient" in backed_up.status().fault


def test_the_task_backs_up_and_proves_and_then_has_nothing_to_do(
    backed_up: BackedUpZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_backup()
    first = backed_up.status()
    assert first.proven_at is not None
    assert first.fault == first.drill_fault == ""
    monkeypatch.setattr(creation, "back_up", lambda **_: pytest.fail("not due"))
    run_backup()
    assert backed_up.status().proven_at == first.proven_at


def test_a_server_that_is_no_longer_configured_has_no_status(backed_up: BackedUpZone) -> None:
    backed_up.back_up()
    backed_up.settings.BACKUP_DIRECTORY = ""
    run_backup()
    assert not BackupStatus.objects.exists()


@pytest.mark.parametrize(
    ("values", "due"),
    [
        ({}, True),
        ({"attempted_at": HOUR, "created_at": HOUR}, False),
        ({"attempted_at": 2 * DAY, "created_at": 2 * DAY}, True),
        ({"attempted_at": HOUR / 2, "fault": "full"}, False),
        ({"attempted_at": HOUR, "fault": "full"}, True),
        ({"attempted_at": HOUR, "created_at": HOUR, "ca_sha256": "another"}, True),
    ],
)
def test_when_a_backup_is_due(backed_up: BackedUpZone, values: dict[str, Any], due: Any) -> None:
    now = timezone.now()
    assert status.is_backup_due(build_status(values, now), now) is due


@pytest.mark.parametrize(
    ("values", "due"),
    [
        ({}, False),
        ({"created_at": HOUR}, True),
        ({"created_at": HOUR, "drilled_at": 6 * DAY}, False),
        ({"created_at": HOUR, "drilled_at": 7 * DAY}, True),
        ({"created_at": HOUR, "drilled_at": HOUR / 2, "drill_fault": "damaged"}, False),
        ({"created_at": HOUR, "drilled_at": HOUR, "drill_fault": "damaged"}, True),
    ],
)
def test_when_a_drill_is_due(backed_up: BackedUpZone, values: dict[str, Any], due: Any) -> None:
    now = timezone.now()
    assert status.is_drill_due(build_status(values, now), now) is due


def build_status(values: dict[str, Any], now: Any) -> BackupStatus:
    given = {"ca_sha256": Authority.objects.current().sha256, **values}
    return BackupStatus(
        **{key: now - v if isinstance(v, timedelta) else v for key, v in given.items()}
    )


def test_a_new_ca_is_backed_up_without_waiting_for_a_day(backed_up: BackedUpZone) -> None:
    run_backup()
    before = backed_up.status().ca_sha256
    Authority.objects.update(state="grace")
    server = backed_up.zone.device(backed_up.zone.first)
    new = factories.authority(server, name="NEW")
    run_backup()
    assert backed_up.status().ca_sha256 == new.sha256 != before
