"""Health checks: each finds its fault, passes without it, and names a correction and a page.

See: D-185
"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import resolve
from django.utils import timezone

from administrators.models import Administrator, SecondFactor
from audit.models import SyslogServer
from certificates.models import (
    AcmeAccountKey,
    Authority,
    BackupStatus,
    VaultJob,
)
from certificates.monitoring import health
from certificates.monitoring.checks import acceptance, registry
from certificates.operations.states import JobState
from console.pages.formatting import format_fingerprint
from devices.models import Device, RegistrationKey, Zone
from notifications.models import Delivery, DeliveryState, Target
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db


def find(key):
    """Return the open findings of a check."""
    results = registry.run_checks(Zone.objects.get_zone(), timezone.now())
    return next(result for result in results if result.check.key == key).findings


def test_the_keys_are_unique_and_every_page_exists(ca):
    assert len({check.key for check in registry.CHECKS}) == len(registry.CHECKS)
    results = registry.run_checks(Zone.objects.get_zone(), timezone.now())
    findings = [finding for result in results for finding in result.findings]
    assert findings
    for finding in findings:
        assert finding.text
        assert finding.correction
        assert resolve(finding.url.partition("?")[0])


def test_a_ca_needs_a_backup_of_its_own(ca):
    assert format_fingerprint(ca.sha256[:16]) in find("ca-backup")[0].text
    server = Device.objects.primaries().first()
    job = VaultJob.objects.create(
        kind=VaultJob.Kind.BACKUP, server=server, authority=ca, state=JobState.FAILED
    )
    assert find("ca-backup")
    VaultJob.objects.filter(pk=job.pk).update(state=JobState.DONE)
    assert not find("ca-backup")
    Authority.objects.filter(pk=ca.pk).update(state="grace")
    new = factories.authority(server, name="NEW")
    assert format_fingerprint(new.sha256[:16]) in find("ca-backup")[0].text


@pytest.mark.parametrize("change", [{"kind": "external"}, {"sealed_key": "pkcs11:token=zone"}])
def test_a_key_that_cannot_be_exported_needs_no_backup(ca, change):
    Authority.objects.update(**change)
    assert not find("ca-backup")


def test_a_zone_without_backups_or_with_an_old_or_failed_one(ca):
    now = timezone.now()
    assert "No backups" in find("zone-backup")[0].text
    row = BackupStatus.objects.create(server=ca.certificate_server, created_at=now)
    assert not find("zone-backup")
    BackupStatus.objects.update(created_at=now - timedelta(days=3))
    assert "more than two days old" in find("zone-backup")[0].text
    BackupStatus.objects.update(fault="The disk is full.")
    finding = find("zone-backup")[0]
    assert (finding.severity, finding.subject) == ("bad", str(row.pk))
    assert "The disk is full." in finding.text
    Device.objects.update(state="retired")
    assert "No backups" in find("zone-backup")[0].text


def test_backups_without_the_ca_key_are_not_enough(ca):
    other = factories.server("ps-02")
    BackupStatus.objects.create(server=other, created_at=timezone.now())
    assert "No backup contains the CA key" in find("zone-backup")[0].text
    Authority.objects.update(kind="external")
    assert not find("zone-backup")


def test_a_backup_must_have_been_restored_within_a_week(ca):
    now = timezone.now()
    assert not find("restore"), "without a backup, the other check has the finding"
    BackupStatus.objects.create(server=ca.certificate_server, created_at=now)
    assert "has been restored in a drill yet" in find("restore")[0].text
    BackupStatus.objects.update(proven_at=now - timedelta(days=7))
    assert not find("restore")
    BackupStatus.objects.update(proven_at=now - timedelta(days=9))
    assert "for a week" in find("restore")[0].text
    BackupStatus.objects.update(drill_fault="The file is damaged.")
    assert "cannot be restored. The file is damaged." in find("restore")[0].text


def test_one_primary_server_is_not_enough(ca):
    assert find("primary-servers")
    factories.server("ps-02")
    assert not find("primary-servers")


def test_a_syslog_server_that_receives_nothing_is_found(ca):
    now = timezone.now()
    server = SyslogServer.objects.create(pk=1, host="siem.acme.example", due_at=now)
    assert not find("audit-forwarding")
    SyslogServer.objects.update(failed_since=now - timedelta(minutes=9))
    assert not find("audit-forwarding")
    SyslogServer.objects.update(failed_since=now - timedelta(minutes=11))
    assert str(server) in find("audit-forwarding")[0].text


def test_a_full_disk_cannot_be_accepted(ca, monkeypatch):
    monkeypatch.setattr(health, "get_free_bytes", lambda: health.MIN_FREE_BYTES)
    assert not find("disk")
    monkeypatch.setattr(health, "get_free_bytes", lambda: 5 * 2**20)
    assert "5 MiB" in find("disk")[0].text
    assert not registry.get_check("disk").acceptable


def test_a_wrong_clock_is_found_in_both_directions(ca):
    factories.device("pc-1", clock_skew_seconds=59)
    assert not find("clocks")
    factories.device("pc-2", clock_skew_seconds=-61)
    factories.device("pc-3", clock_skew_seconds=4000)
    assert "2 devices" in find("clocks")[0].text
    assert "pc-2" in find("clocks")[0].text


def test_agents_older_than_the_console_are_found_until_its_next_upgrade(ca, settings):
    settings.VERSION = "2.0.0"
    Device.objects.update(version="2.0.0")
    assert not find("agent-versions")
    factories.device("pc-1", version="1.9.0")
    (finding,) = find("agent-versions")
    assert finding.text == "The agent of 1 device is older than the console."
    acceptance.accept("agent-versions", finding.subject, "next week", by="admin")
    assert not find("agent-versions")
    settings.VERSION = "2.1.0"
    assert "2 devices" in find("agent-versions")[0].text


def test_failed_updates_are_found_while_they_are_offered(ca):
    operation = factories.operation(ca)
    device = factories.device("pc-1")
    factories.assignment(operation.update, device, AssignmentState.FAILED)
    found = find("failed-updates")
    assert "on pc-1" in found[0].text
    assert found[0].url == f"/devices/{device.pk}/"
    type(operation.update).objects.update(state=UpdateState.BASELINED)
    assert not find("failed-updates")


def test_someone_must_be_notified(ca, settings):
    settings.EMAIL_HOST = ""
    assert "No one is notified" in find("notifications")[0].text
    target = Target.objects.create(name="Mail", kind="mail", events=["failed"])
    assert "no mail server" in find("notifications")[0].text
    settings.EMAIL_HOST = "mail.acme.example"
    User.objects.update(email="")
    assert "Mail has no recipients" in find("notifications")[0].text
    factories.user("reader")
    User.objects.filter(username="reader").update(email="reader@acme.example")
    assert find("notifications")
    factories.user("holder", "certificates.certificate_authority")
    User.objects.filter(username="holder").update(email="holder@acme.example")
    assert not find("notifications")
    Target.objects.filter(pk=target.pk).update(recipients="ops@acme.example")
    User.objects.update(email="")
    assert not find("notifications")
    Target.objects.filter(pk=target.pk).update(active=False)
    assert find("notifications")


def test_failed_deliveries_of_the_last_day_are_found(ca):
    target = Target.objects.create(name="Chat", kind="webhook", events=["failed"])
    Delivery.objects.create(
        target=target,
        key="1",
        event="failed",
        title="x",
        state=DeliveryState.FAILED,
        due_at=timezone.now(),
        created_at=timezone.now(),
    )
    assert "Chat" in find("deliveries")[0].text
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert not find("deliveries")


def test_two_super_administrators_are_needed(ca):
    factories.admin("one")
    assert find("super-administrators")
    factories.admin("two")
    assert not find("super-administrators")


def test_ca_administrators_need_a_second_factor(ca):
    user = factories.admin("one")
    assert [finding.subject for finding in find("second-factors")] == [str(user.pk)]
    factor = SecondFactor.objects.create(user=user, encrypted="x")
    assert find("second-factors"), "the setup was started, and not confirmed"
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=timezone.now())
    assert not find("second-factors")


def test_a_role_gives_the_right_that_needs_a_second_factor(ca):
    user = User.objects.create_user("one")
    account = Administrator.objects.create(user=user, roles=["auditor"])
    assert not find("second-factors")
    Administrator.objects.filter(pk=account.pk).update(roles=["certificate-administrator"])
    assert [finding.subject for finding in find("second-factors")] == [str(user.pk)]


def test_the_identity_provider_is_responsible_for_the_second_factor(ca):
    user = factories.admin("one")
    Administrator.objects.update_or_create(
        user=user, defaults={"login_method": Administrator.LoginMethod.OIDC}
    )
    assert not find("second-factors")


def test_keys_without_an_end_are_found(ca):
    RegistrationKey.objects.create(label="Branch", digest="1" * 64)
    RegistrationKey.objects.create(
        label="Short", digest="2" * 64, expires_at=timezone.now() + timedelta(days=1)
    )
    RegistrationKey.objects.create(label="Old", digest="3" * 64, revoked_at=timezone.now())
    found = find("registration-keys")
    assert [finding.text for finding in found] == ["The registration key Branch never expires."]


def test_acme_account_keys_that_never_expire_are_found(ca):
    now = timezone.now()
    for number, values in enumerate(
        ({}, {"expires_at": now + timedelta(days=1)}, {"disabled_at": now})
    ):
        AcmeAccountKey.objects.create(key_id=str(number), label=f"key-{number}", **values)
    found = find("acme-account-keys")
    assert [finding.text for finding in found] == ["The ACME account key key-0 never expires."]
