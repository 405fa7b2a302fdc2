"""Whoever can only write to the database gets no key, and is noticed.

See: D-170
"""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from administrators.models import Administrator, Policies, SetupLink
from administrators.protection import account_macs
from audit.models import AlteredRow, Entry, LossAcceptance, RowAltered
from audit.rows import alarms
from certificates.authority import key_jobs, key_operations, vault_keys
from certificates.models import (
    Authority,
    FutureCertificate,
    HealthAcceptance,
    Operation,
    VaultJob,
)
from certificates.monitoring import metrics
from certificates.monitoring.checks import acceptance, registry
from certificates.operations.states import JobState
from certificates.tasks import authority as tasks
from certificates.tasks import operations as operation_tasks
from certificates.tasks import schedule
from certificates.trust import roots, second_key, trust_list
from console.access import api_tokens
from console.models import ApiToken
from devices.identity import zone_keys
from devices.models import Device, RegistrationKey, ZoneKey
from devices.registration import keys as registration_keys
from devices.registration import registration
from devices.witnesses import acceptance as acceptances
from notifications.delivery import events
from notifications.models import Delivery, Target
from pki.protection import sealing, zone_key
from pki.protection import second_key as key_functions
from systemupdates.models import serialize_envelope
from tests.certificates.operations.test_remint_ca import prepared
from tests.support import clients, factories
from tests.zcc.rows import sql
from wire import envelope, json_codec, messages, metadata
from zcc.rows import checks

PHRASE = "a long enough passphrase of the thief"


def altered() -> set[str]:
    """Return the rows that the alarm names."""
    return {f"{row.label}:{row.key}" for row in AlteredRow.objects.all()}


def insert_primary(like: Device, thief: sealing.VaultKey) -> Device:
    sql.insert(
        like,
        guid=sql.guid(1),
        name="ps-99",
        fqdn="ps-99.test.example",
        addresses=["127.9.0.99"],
        vault_key=thief.public,
        ca_vault_key=thief.public,
    )
    return Device.objects.get(pk=sql.guid(1))


def test_no_zone_key_is_encrypted_for_an_inserted_primary_server(zone):
    thief = sealing.generate_vault_key()
    stranger = insert_primary(zone.device(zone.first), thief)
    assert list(tasks.get_servers_without_zone_keys()) == [stranger]
    tasks.distribute_zone_keys()
    assert not ZoneKey.objects.filter(server=stranger).exists()
    assert f"devices.Device:{stranger.pk}" in altered()
    with pytest.raises(RowAltered):
        zone_keys.get_keyring().share_with(stranger)
    assert "ps-99" not in {server.name for server in trust_list.list_server_addresses()}


def test_a_primary_server_that_registered_still_gets_the_zone_keys(zone):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    ZoneKey.objects.filter(server=second.id).delete()
    tasks.distribute_zone_keys()
    assert ZoneKey.objects.filter(server=second.id).count() == 2
    with zone.on(second):
        assert zone_keys.get_keyring().zone_key
    assert altered() == set()


def test_no_zone_key_is_encrypted_for_a_changed_vault_key(zone):
    second = zone.device(zone.join("ps-02", messages.PRIMARY, "127.9.0.2"))
    ZoneKey.objects.filter(server=second).delete()
    sql.change(second, vault_key=sealing.generate_vault_key().public)
    tasks.distribute_zone_keys()
    assert not ZoneKey.objects.filter(server=second).exists()
    assert altered() == {f"devices.Device:{second.pk}"}


def backup_job(zone, **values):
    """Return a waiting backup with a passphrase of the thief, inserted with SQL."""
    server = zone.device(zone.first)
    key = sql.guid(2)
    job = VaultJob(
        guid=key,
        kind=VaultJob.Kind.BACKUP,
        server=server,
        authority=Authority.objects.current(),
        sealed=key_jobs.encrypt_passphrase(PHRASE, to=server, job=key, kind="backup"),
    )
    sql.insert(job, **values)
    return VaultJob.objects.get(pk=key)


def test_an_inserted_backup_is_not_made(zone):
    job = backup_job(zone)
    tasks.run_key_job(str(job.pk))
    schedule.schedule_work()
    job.refresh_from_db()
    assert bytes(job.result) == b""
    assert job.state == JobState.WAITING
    assert altered() == {f"certificates.VaultJob:{job.pk}"}


@pytest.mark.parametrize("column", ["sealed", "state", "target_id", "kind"])
def test_a_changed_job_is_not_run(zone, column):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    second = zone.device(zone.hosts["ps-02"])
    admin = factories.admin()
    real = key_operations.back_up("a long enough passphrase of the owner", by=admin)
    forged = key_jobs.encrypt_passphrase(PHRASE, to=real.server, job=real.pk, kind="backup")
    if column == "state":
        VaultJob.objects.transition(real, JobState.FAILED)
    values = {
        "sealed": forged,
        "state": "waiting",
        "target_id": second.pk,
        "kind": VaultJob.Kind.MOVE,
    }
    sql.change(real, **{column: values[column]})
    before = Authority.objects.current().sealed_key
    tasks.run_key_job(str(real.pk))
    real.refresh_from_db()
    assert bytes(real.result) == b""
    assert Authority.objects.current().sealed_key == before
    assert f"certificates.VaultJob:{real.pk}" in altered()


def test_a_backup_that_an_administrator_requests_is_made(zone):
    job = key_operations.back_up("a long enough passphrase of the owner", by=factories.admin())
    tasks.run_key_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == JobState.DONE, job.reason
    assert altered() == set()


def test_the_ca_is_not_moved_to_a_server_with_a_changed_vault_key(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    second = zone.device(zone.hosts["ps-02"])
    job = key_operations.move_role(second.pk, by=factories.admin(), now=timezone.now())
    sql.change(second, ca_vault_key=sealing.generate_vault_key().public)
    tasks.run_key_job(str(job.pk))
    assert Authority.objects.current().certificate_server.name == "ps-01"
    assert f"devices.Device:{second.pk}" in altered()


def test_the_certificate_server_cannot_be_changed_with_sql(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    authority = Authority.objects.current()
    sql.change(authority, certificate_server_id=zone.hosts["ps-02"].guid)
    job = key_operations.back_up("a long enough passphrase of the owner", by=factories.admin())
    tasks.run_key_job(str(job.pk))
    assert VaultJob.objects.get(pk=job.pk).state == JobState.WAITING
    tasks.check_ca_key(str(authority.pk))
    assert "changed in the database" in Authority.objects.current().fault
    assert f"certificates.Authority:{authority.pk}" in altered()


def test_a_second_administrator_is_required_by_the_worker(zone):
    admin = factories.admin()
    Policies.objects.update(two_administrators=True)
    job = key_operations.back_up("a long enough passphrase of the owner", by=admin)
    # The console itself would refuse this, so it is a defect or an attack.
    VaultJob.objects.transition(job, JobState.WAITING, approved_by=admin)
    tasks.run_key_job(str(job.pk))
    assert VaultJob.objects.get(pk=job.pk).state == JobState.WAITING
    assert f"certificates.VaultJob:{job.pk}" in altered()


@pytest.mark.parametrize("change", ["right", "policy"])
def test_a_job_that_lost_its_approval_ends_without_an_alarm(zone, change):
    admin = factories.user("ca", "certificates.certificate_authority")
    job = key_operations.back_up("a long enough passphrase of the owner", by=admin)
    if change == "right":
        admin.user_permissions.clear()
        account_macs.stamp(admin.pk)
    else:
        Policies.objects.update(two_administrators=True)
    tasks.run_key_job(str(job.pk))
    job = VaultJob.objects.get(pk=job.pk)
    assert (job.state, bytes(job.result), job.sealed) == (JobState.EXPIRED, b"", "")
    assert "Nothing was changed" in job.reason
    assert altered() == set()


def test_policies_cannot_be_relaxed_with_sql(zone):
    policies = Policies.objects.get()
    Policies.objects.update(two_administrators=True)
    sql.change(policies, two_administrators=False)
    assert Policies.objects.get_current().two_administrators
    sql.run("DELETE FROM people_policies", [])
    assert Policies.objects.get_current().two_administrators


@pytest.mark.parametrize("column", ["is_superuser", "password", "roles", "is_active"])
def test_sql_makes_no_administrator(zone, column):
    viewer = factories.user("viewer")
    account = Administrator.objects.create(user=viewer, roles=["viewer"])
    client = clients.log_in(viewer)
    assert client.get("/").status_code == 200
    changed = {
        "is_superuser": lambda: sql.change(viewer, is_superuser=True),
        "password": lambda: sql.change(viewer, password="pbkdf2_sha256$1$x$y"),
        "is_active": lambda: sql.change(viewer, is_superuser=True, is_active=True),
        "roles": lambda: sql.change(account, roles=["super-administrator"]),
    }
    changed[column]()
    assert client.get("/").status_code == 302
    assert f"auth.User:{viewer.pk}" in altered()


def test_sql_gives_no_right(zone):
    viewer = factories.user("viewer")
    Administrator.objects.create(user=viewer, roles=["viewer"])
    right = factories.Permission.objects.get(codename="certificate_authority")
    sql.run(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (%s, %s)",
        [viewer.pk, right.pk],
    )
    fresh = type(viewer).objects.get(pk=viewer.pk)
    assert not fresh.has_perm("certificates.certificate_authority")
    assert checks.check_rows() == 1


def test_an_inserted_token_or_setup_link_is_not_valid(zone):
    admin = factories.admin()
    now = timezone.now()
    text, digest = api_tokens.new_secret()
    sql.insert(ApiToken(pk=77, user=admin, name="thief", digest=digest, created_at=now))
    assert api_tokens.find_token(text, now) is None
    link = SetupLink(user=admin, digest="0" * 64, created_at=now, expires_at=now + timedelta(1))
    link.pk = 78
    sql.insert(link)
    assert not alarms.is_authentic(SetupLink.objects.get(pk=78))
    assert altered() == {"console.ApiToken:77", "people.SetupLink:78"}


def test_the_token_of_an_altered_user_is_not_valid(zone):
    user = factories.user("viewer")
    text, digest = api_tokens.new_secret()
    ApiToken.objects.create(user=user, name="own", digest=digest)
    assert api_tokens.find_token(text, timezone.now()) is not None
    sql.change(user, is_superuser=True)
    assert api_tokens.find_token(text, timezone.now()) is None


def test_an_inserted_registration_key_registers_nothing(zone):
    key = RegistrationKey(pk=79, label="thief", digest=registration_keys._hash("x"), approves=True)
    key.role, key.created_at = messages.PRIMARY, timezone.now()
    sql.insert(key)
    with pytest.raises(registration_keys.InvalidRegistrationKey):
        registration_keys.get_registration_key("x", messages.PRIMARY, "ps-9", timezone.now())
    assert altered() == {"devices.RegistrationKey:79"}


def test_an_inserted_root_is_not_trusted(zone):
    current = Authority.objects.current()
    pem = factories.root_pem("THIEF", factories.now(), factories.now() + timedelta(90))
    sql.insert(current, guid=sql.guid(3), state="grace", root_pem=pem, sha256="f" * 64)
    trust = roots.build_trust()
    assert trust.in_grace == []
    assert trust.current == current.root_pem
    sql.change(current, root_pem=pem)
    with pytest.raises(RowAltered):
        roots.build_trust()


def test_an_inserted_operation_does_nothing(zone):
    server = zone.device(zone.first)
    pem = factories.root_pem("THIEF", factories.now(), factories.now() + timedelta(90))
    operation = Operation(
        guid=sql.guid(4),
        kind="change-ca",
        state="preparing",
        name="Change CA",
        parameters={"external": True, "root_pem": pem, "intermediates_pem": ""},
        authority=Authority.objects.current(),
        signing_server=server,
        created_at=timezone.now(),
    )
    sql.insert(operation)
    operation_tasks.prepare_operation(str(operation.pk))
    operation_tasks.advance_operation(str(operation.pk))
    schedule.schedule_work()
    assert Authority.objects.count() == 1
    assert altered() == {f"certificates.Operation:{operation.pk}"}


@pytest.mark.parametrize("what", ["csr", "names"])
def test_no_certificate_is_signed_for_a_changed_csr_or_record(zone, what):
    satellite = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20")
    other = zone.join("as-02", messages.AUTHENTICATION_SATELLITE, "127.9.0.21")
    future = FutureCertificate.objects.get(device=satellite.id)
    if what == "csr":
        stolen = FutureCertificate.objects.get(device=other.id).csr_pem
        sql.change(future, csr_pem=stolen)
    else:
        sql.change(
            zone.device(satellite), fqdn="console.bank.example", dns_names=["console.bank.example"]
        )
        parameters = {**future.csr_parameters, "common_name": "console.bank.example"}
        sql.change(future, csr_parameters=parameters)
    tasks.sign_pending_csrs(str(Authority.objects.current().pk))
    future.refresh_from_db()
    assert future.state == "create-failed"
    assert "changed in the database" in future.reason
    assert FutureCertificate.objects.get(device=other.id).state == "created"


def test_the_console_gives_no_mac_to_an_altered_row(zone):
    device = zone.device(zone.join("pc-01"))
    sql.change(device, role=messages.PRIMARY, vault_key=sealing.generate_vault_key().public)
    with pytest.raises(RowAltered):
        registration.retire(Device.objects.get(pk=device.pk))
    with pytest.raises(RowAltered):
        Device.objects.filter(pk=device.pk).update(name="other")
    stored = Device.objects.get(pk=device.pk)
    with pytest.raises(RowAltered):
        stored.save()
    assert checks.check_rows() == 1


def test_the_zone_master_key_cannot_be_replaced(zone):
    ring = zone_keys.get_keyring()
    server = ring.get_server()
    row = ZoneKey.objects.get(server=server, kind="master")
    bound = zone_keys.build_binding(zone.zone, "master", server.pk)
    forged = sealing.seal(b"m" * 32, to=server.vault_key, binding=bound)
    sql.change(row, blob=forged)
    zone_keys.clear_cache()
    with pytest.raises(zone_keys.ReplacedZoneKey):
        _ = zone_keys.get_keyring().master


def test_the_second_zone_key_cannot_be_replaced(zone):
    """Neither before nor after its announcement, and a rotation of the vault key signs no other."""
    ring = zone_keys.get_keyring()
    server = ring.get_server()
    identity = f'{{"id": "{server.pk}", "zone_pub": "{zone.zone.public_key}"}}'
    (zone.home / "device.json").write_text(identity)
    second_key.introduce(now=timezone.now())
    row = ZoneKey.objects.get(server=server, kind="second")
    bound = zone_keys.build_binding(zone.zone, "second", server.pk)
    thief = key_functions.generate_second_key().encode()
    forged = sealing.seal(thief, to=server.vault_key, binding=bound)
    for signature in (row.signature, ""):
        sql.change(row, blob=forged, signature=signature)
        zone_keys.clear_cache()
        with pytest.raises(zone_keys.ReplacedZoneKey):
            _ = zone_keys.get_keyring().second_key
        with pytest.raises(zone_keys.ReplacedZoneKey):
            vault_keys.rotate(now=timezone.now())
        with pytest.raises(zone_keys.ReplacedZoneKey):
            second_key.introduce(now=timezone.now())
    assert zone.zone.second_public_key == ""


@pytest.fixture
def thief(zone):
    """The private zone key of an attacker, whose public part is in the row of the zone."""
    identity = {"id": str(zone.first.id), "zone_pub": zone.zone.public_key}
    (zone.home / "device.json").write_text(json.dumps(identity))
    zone_keys.clear_cache()
    private, public = zone_key.generate_zone_key()
    sql.change(zone.zone, public_key=public, second_public_key="")
    return private


def sign_as(private, payload_type, data):
    """Sign a document with the zone key of the attacker."""
    encoded = envelope.pre_authentication_encoding(payload_type, data)
    return envelope.build_envelope(payload_type, data, zone_key.sign(private, encoded))


def test_the_public_zone_key_cannot_be_replaced(zone, thief):
    known = zone_keys.get_keyring().pin.zone_public_key
    assert zone.zone.public_key != known
    assert (
        json.loads(clients.log_in(factories.admin()).get("/zac/v1/zone").content)["zone_pub"]
        == known
    )
    key = registration_keys.create_registration_key(
        zone_keys.get_public_key(zone.zone),
        label="pc",
        role=messages.MANAGED,
        uses=1,
        approves=False,
        expires_at=None,
    )
    assert key.is_for_zone(base64.b64decode(known))
    assert checks.check_rows() == 1
    row = f"devices.Zone:{zone.zone.pk}"
    assert altered() == {row}
    for option, message in (("--accept", known), ("--remove", "not deleted")):
        with pytest.raises(CommandError, match=re.escape(message)):
            call_command("check_rows", option, row, "--reason", "why")
    sql.change(zone.zone, public_key=known)
    call_command("check_rows", "--accept", row, "--reason", "restored")
    assert altered() == set()


def test_an_acceptance_of_lost_entries_that_an_attacker_signed_has_no_effect(zone, thief):
    document = acceptances.Acceptance(str(zone.zone.guid), 1, 0, "0" * 64, "expected")
    signed = sign_as(thief, acceptances.PAYLOAD_TYPE, json_codec.dump(document))
    LossAcceptance.objects.create(branch=1, envelope=json_codec.dump(signed).decode())
    assert acceptances.get_branch(zone.zone) == 0


def test_the_zone_keys_sign_no_document_that_an_attacker_signed(zone, thief):
    """Otherwise, devices would trust the root in it."""
    update = prepared().update
    data = base64.b64decode(update.get_envelope().payload)
    update.envelope = serialize_envelope(sign_as(thief, metadata.MANIFEST, data))
    update.save()
    for _run in range(2):
        second_key.introduce(now=timezone.now())
    assert zone.zone.second_public_key
    update.refresh_from_db()
    assert update.get_envelope().second_signature == ""


def test_a_server_that_joins_accepts_only_keys_that_the_zone_signed(zone, tmp_path):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    home = Path(second.home)
    identity = f'{{"id": "{second.id}", "zone_pub": "{zone.zone.public_key}"}}'
    (home / "device.json").write_text(identity)
    row = ZoneKey.objects.get(server=second.id, kind="master")
    with zone.on(second):
        assert zone_keys.get_keyring().master == _get_master(zone)
        (home / "vault" / "zone-master.pin").unlink()
        device = zone.device(second)
        bound = zone_keys.build_binding(zone.zone, "master", device.pk)
        for signature in (row.signature, ""):
            forged = sealing.seal(b"m" * 32, to=device.vault_key, binding=bound)
            sql.change(row, blob=forged, signature=signature)
            zone_keys.clear_cache()
            with pytest.raises(zone_keys.ReplacedZoneKey):
                _ = zone_keys.get_keyring().master


def _get_master(zone):
    with zone.on(zone.first):
        return zone_keys.get_keyring().master


def test_the_alarm_is_in_the_log_on_home_in_metrics_and_a_notification(zone, settings):
    Target.objects.create(kind="mail", name="Admins", events=list(events.DEFAULT_EVENTS))
    settings.EMAIL_HOST = "mail.example"
    schedule.create_notifications()
    job = backup_job(zone)
    tasks.run_key_job(str(job.pk))
    tasks.run_key_job(str(job.pk))
    assert Entry.objects.filter(action="row-altered").count() == 1
    page = clients.log_in(factories.admin()).get("/").content.decode()
    assert "manage.py check_rows" in page
    text = metrics.render_metrics(timezone.now())[0].decode()
    assert "zcc_altered_rows 1.0" in text
    schedule.create_notifications()
    assert Delivery.objects.filter(event=events.ALTERED_ROW).count() == 1


def test_an_inserted_alarm_suppresses_no_entry_and_no_notification(zone, settings):
    Target.objects.create(kind="mail", name="Admins", events=list(events.DEFAULT_EVENTS))
    settings.EMAIL_HOST = "mail.example"
    schedule.create_notifications()
    now = timezone.now()
    job = backup_job(zone)
    AlteredRow.objects.create(label="certificates.VaultJob", key=job.pk, name="known", found_at=now)
    AlteredRow.objects.bulk_create(
        AlteredRow(label="x", key=number, name="x", found_at=now)
        for number in range(alarms.MAX_ROWS)
    )
    tasks.run_key_job(str(job.pk))
    tasks.run_key_job(str(job.pk))
    subject = f"certificates.VaultJob:{job.pk}"
    assert Entry.objects.filter(action="row-altered", subject=subject).count() == 1
    schedule.create_notifications()
    assert Delivery.objects.filter(event=events.ALTERED_ROW).count() == 1


def test_after_a_decision_an_inserted_alarm_suppresses_no_entry(zone):
    device = zone.device(zone.join("pc-01"))
    sql.change(device, row_mac="")
    label, subject = "devices.Device", f"devices.Device:{device.pk}"
    checks.check_rows()
    checks.accept(label, str(device.pk), reason="upgrade")
    sql.change(device, row_mac="")
    AlteredRow.objects.create(label=label, key=device.pk, name="known", found_at=timezone.now())
    checks.check_rows()
    checks.check_rows()
    assert Entry.objects.filter(action="row-altered", subject=subject).count() == 2


def test_a_row_of_a_zone_of_the_previous_version_is_stamped_once(zone, capsys):
    device = zone.device(zone.join("pc-01"))
    sql.change(device, row_mac="")
    assert checks.check_rows() == 1
    with pytest.raises(SystemExit):
        call_command("check_rows")
    assert "was changed in the database" in capsys.readouterr().out
    call_command("check_rows", "--accept", f"devices.Device:{device.pk}", "--reason", "upgrade")
    assert checks.check_rows() == 0
    call_command("check_rows")
    assert Entry.objects.filter(action="accept-row", note="upgrade").exists()


def test_an_inserted_row_can_be_removed_and_then_keys_are_moved_again(zone):
    job = backup_job(zone)
    tasks.run_key_job(str(job.pk))
    call_command("check_rows", "--remove", f"certificates.VaultJob:{job.pk}", "--reason", "attack")
    assert altered() == set()
    assert not VaultJob.objects.filter(pk=job.pk).exists()
    test_a_backup_that_an_administrator_requests_is_made(zone)


@pytest.mark.parametrize("label", ["certificates.VaultJob", "auth.User"])
def test_an_alarm_about_a_row_that_was_deleted_can_be_ended(zone, label):
    key = "00000000-0000-0000-0000-000000000009" if label == "certificates.VaultJob" else "9"
    alarms.record(label, key, "inserted, then deleted")
    with pytest.raises(Exception, match=r"no longer exists.*--remove"):
        call_command("check_rows", "--accept", f"{label}:{key}", "--reason", "gone")
    call_command("check_rows", "--remove", f"{label}:{key}", "--reason", "gone")
    assert altered() == set()
    assert Entry.objects.filter(action="remove-row", note="gone").exists()


def test_an_inserted_acceptance_hides_no_finding(zone):
    check = registry.get_check("ca-backup")
    (found,) = check.run(zone.zone, timezone.now())
    accepted = acceptance.accept(check.key, "another subject", "in the safe", by="admin")
    sql.insert(accepted, id=accepted.pk + 1, subject=found.subject)
    results = {one.check.key: one for one in registry.run_checks(zone.zone, timezone.now())}
    assert results[check.key].findings == [found]
    inserted = HealthAcceptance.objects.get(pk=accepted.pk + 1)
    assert altered() == {f"certificates.HealthAcceptance:{inserted.pk}"}
    with pytest.raises(RowAltered):
        acceptance.withdraw(inserted)


@pytest.mark.parametrize("option", ["--accept", "--remove"])
def test_a_decision_needs_a_reason_and_an_altered_row(zone, option):
    job = backup_job(zone)
    row = f"certificates.VaultJob:{job.pk}"
    with pytest.raises(Exception, match="reason is required"):
        call_command("check_rows", option, row)
    with pytest.raises(Exception, match="not an altered row"):
        call_command("check_rows", option, "devices.Device:7", "--reason", "why")


def test_everything_that_the_console_writes_has_a_mac(zone):
    """The whole small zone: no row of it is unstamped or wrong."""
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    second.refresh()
    device = zone.join("pc-01")
    admin = factories.admin()
    key_operations.move_role(second.guid, by=admin, now=timezone.now())
    registration.retire(zone.device(device))
    assert checks.check_rows() == 0
