"""The drill restores a whole backup, and finds each kind of backup that would not bring it back.

See: D-197
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from audit.models import Entry
from certificates.backup import archive, configuration, creation, drill, programs
from certificates.models import Authority
from certificates.monitoring import notifications
from faults import Fault
from notifications.models import Delivery, Target
from pki.backup import recipients
from pki.protection import sealing
from tests.certificates.backup.conftest import BackedUpZone
from tests.support import factories
from wire import server_files

pytestmark = pytest.mark.django_db(transaction=True)


def repack(backed_up: BackedUpZone, path: Path, changes: dict[str, bytes]) -> None:
    """Replace members of a backup, as someone can who knows the recipients only."""
    plain = path.with_suffix(".tar")
    recipients.decrypt_file(path, plain, backed_up.identity)
    changed = path.with_suffix(".changed")
    with tarfile.open(plain) as source, tarfile.open(changed, "w") as target:
        for entry in source:
            data = changes.get(entry.name) or source.extractfile(entry).read()
            entry.size = len(data)
            target.addfile(entry, io.BytesIO(data))
    own = recipients.get_recipient(configuration.read_drill_identity())
    recipients.encrypt_file(changed, path, [backed_up.settings.BACKUP_RECIPIENT, own])


def test_a_backup_is_proven_and_leaves_nothing_behind(backed_up: BackedUpZone) -> None:
    path = backed_up.back_up()
    before = {p for p in backed_up.zone.home.rglob("*") if p.is_file()}
    proof = backed_up.prove()
    assert proof.path == path
    assert proof.signed
    assert proof.devices == 1
    assert proof.entries > 1
    status = backed_up.status()
    assert status.proven_at is not None
    assert status.proven_created_at == status.created_at
    assert status.drill_fault == ""
    assert 0 < status.drill_seconds == proof.seconds
    assert {p for p in backed_up.zone.home.rglob("*") if p.is_file()} == before
    assert Entry.objects.filter(action="backup-proven").count() == 1


def test_the_company_can_prove_it_with_its_own_key(backed_up: BackedUpZone) -> None:
    path = backed_up.back_up(ago=timedelta(days=400))
    assert backed_up.prove(path=path, identity=backed_up.identity).signed


@pytest.mark.parametrize("where", [0.0005, 0.3, 0.99])
def test_a_changed_file_is_found(backed_up: BackedUpZone, where: float) -> None:
    path = backed_up.back_up()
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(data)
    backed_up.fails("damaged|not encrypted for this key")


def test_a_truncated_file_is_found(backed_up: BackedUpZone) -> None:
    path = backed_up.back_up()
    path.write_bytes(path.read_bytes()[:-1000])
    backed_up.fails("damaged")


def test_a_missing_file_is_found(backed_up: BackedUpZone) -> None:
    backed_up.back_up().unlink()
    backed_up.fails("contains no backup of ps-01")


def test_an_old_backup_is_found_also_under_a_new_name(backed_up: BackedUpZone) -> None:
    path = backed_up.back_up(ago=timedelta(days=3))
    backed_up.fails("is 3 days old")
    path.rename(path.with_name(f"zcc-TEST-ps_01-{timezone.now():%Y%m%dT%H%M%SZ}.age"))
    backed_up.fails("is 3 days old")


def test_a_backup_for_another_drill_key_is_found(backed_up: BackedUpZone) -> None:
    backed_up.back_up()
    configuration.get_drill_key_path().unlink()
    backed_up.fails("Cannot open")
    configuration.load_or_create_drill_recipient()
    backed_up.fails("not encrypted for this key")


def test_a_backup_for_another_recipient_is_found(backed_up: BackedUpZone) -> None:
    backed_up.back_up()
    other = recipients.get_recipient(recipients.generate_identity())
    backed_up.settings.BACKUP_RECIPIENT = other
    backed_up.fails("not encrypted for the recipient")


def test_a_wrong_vault_key_in_the_backup_is_found(backed_up: BackedUpZone) -> None:
    """The file is whole and signed, but its CA key cannot be decrypted."""
    key = server_files.ca_vault_key_path(backed_up.zone.home)
    original = key.read_text()
    key.unlink()
    sealing.write_private_file(key, sealing.generate_vault_key().private)
    backed_up.back_up()
    key.unlink()
    sealing.write_private_file(key, original)
    backed_up.fails("cannot be used. The secret cannot be decrypted")


def test_a_backup_without_the_ca_in_use_is_found(backed_up: BackedUpZone) -> None:
    backed_up.back_up()
    Authority.objects.update(state="grace")
    factories.authority(backed_up.zone.device(backed_up.zone.first), name="NEW")
    backed_up.fails("does not contain the zone CA")


def test_a_root_that_devices_do_not_trust_is_found(
    backed_up: BackedUpZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handshake decides, and not the fingerprint in the database."""
    backed_up.back_up()
    stranger = factories.authority(name="STRANGER", state="retired").root_pem
    Authority.objects.filter(state="current").update(root_pem=stranger)
    backed_up.fails("Devices reject the certificate of the restored zone")


def test_a_backup_of_another_server_is_found(backed_up: BackedUpZone) -> None:
    path = backed_up.back_up()
    other = backed_up.zone.join("ps-02", "primary", "127.9.0.2")
    with backed_up.zone.on(other), pytest.raises(drill.NotRestorable, match="backup of ps-01"):
        backed_up.prove(path=path, identity=backed_up.identity)


@pytest.mark.parametrize("member", ["settings.json", "server/device.json"])
def test_a_replaced_member_is_found(backed_up: BackedUpZone, member: str) -> None:
    """Who has the recipients can encrypt a file, and cannot sign its digests."""
    repack(backed_up, backed_up.back_up(), {member: b"{}"})
    backed_up.fails(f"the digest of {member} is wrong")


def test_a_manifest_that_the_zone_did_not_sign_is_found_before_anything_is_used(
    backed_up: BackedUpZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = backed_up.back_up()
    plain = path.with_suffix(".tar")
    recipients.decrypt_file(path, plain, backed_up.identity)
    with tarfile.open(plain) as tar:
        envelope = json.loads(tar.extractfile(archive.MANIFEST).read())
    envelope["signature"] = "A" * 86 + "=="
    repack(backed_up, path, {archive.MANIFEST: json.dumps(envelope).encode()})
    monkeypatch.setattr(archive, "_write", lambda *_: pytest.fail("a member was written"))
    backed_up.fails("not signed with the key of this zone")


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "server/../../evil", "server/unlisted"])
def test_a_member_outside_the_manifest_is_never_written(backed_up: BackedUpZone, name: str) -> None:
    path = backed_up.back_up()
    plain = path.with_suffix(".tar")
    recipients.decrypt_file(path, plain, backed_up.identity)
    with tarfile.open(plain, "a") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"evil"))
    own = recipients.get_recipient(configuration.read_drill_identity())
    recipients.encrypt_file(plain, path, [backed_up.settings.BACKUP_RECIPIENT, own])
    backed_up.fails("which is not listed")


def test_an_external_ca_is_proven_with_the_certificate_of_the_server(
    backed_up: BackedUpZone,
) -> None:
    Authority.objects.update(sealed_key="", certificate_server=None)
    served = backed_up.zone.home / "security" / "current" / "server.pem"
    served.write_text(backed_up.zone.first.key_pem + served.read_text())
    backed_up.back_up()
    assert not backed_up.prove().signed


def test_a_live_database_is_not_changed(backed_up: BackedUpZone) -> None:
    backed_up.back_up()
    rows = Authority.objects.values_list("guid", "checked_at", "fault")
    before = list(rows)
    names = set(connection.introspection.table_names())
    backed_up.prove()
    assert list(rows) == before
    assert set(connection.introspection.table_names()) == names


def test_two_at_the_same_time_are_rejected(backed_up: BackedUpZone) -> None:
    with (
        configuration.open_work_folder(),
        pytest.raises(Fault, match="is in progress on this server"),
    ):
        backed_up.back_up()
    assert backed_up.back_up().exists()


def test_the_closed_process_has_no_setting_of_the_live_zone(
    backed_up: BackedUpZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []
    run: Callable[..., str] = programs.run

    def note(command: list[str], environment: dict[str, str]) -> str:
        if "certificates.backup.proof" in command:
            seen.append(environment)
        return run(command, environment)

    monkeypatch.setenv("ZCC_SMTP_URL", "smtp://mail.example.com")
    monkeypatch.setenv("ZCC_PKCS11_MODULE", "/usr/lib/token.so")
    monkeypatch.setattr(programs, "run", note)
    backed_up.back_up()
    backed_up.prove()
    live = {"ZCC_SMTP_URL", "ZCC_PKCS11_MODULE", "ZCC_BACKUP_DIRECTORY"}
    assert not live & set(seen[0])
    # A web process cannot read the folder of the CA vault.
    folder = configuration.get_drill_key_path().with_name(configuration.WORK_FOLDER)
    assert str(folder) in seen[0]["ZCC_HOME"]
    assert creation.SERVER_FOLDER in seen[0]["ZCC_SERVER_HOME"]


def test_targets_are_notified_once_for_each_reason(backed_up: BackedUpZone) -> None:
    target = Target.objects.create(
        name="night",
        kind=Target.Kind.MAIL,
        recipients="night@acme.example",
        events=["backup.failed"],
    )
    notifications.create_notifications(timezone.now())
    path = backed_up.back_up()
    path.write_bytes(path.read_bytes()[:-1000])
    for _attempt in range(2):
        backed_up.fails("damaged")
    notifications.create_notifications(timezone.now())
    [sent] = Delivery.objects.filter(target=target, event="backup.failed")
    assert "The last backup of ps-01 cannot be restored" in sent.title
    path.unlink()
    backed_up.fails("contains no backup")
    notifications.create_notifications(timezone.now())
    assert Delivery.objects.filter(event="backup.failed").count() == 2
