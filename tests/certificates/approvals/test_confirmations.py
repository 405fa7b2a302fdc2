"""A job that exports the CA key needs a confirmation that only the certificate server can make.

See: D-172
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from audit.chain.states import InvalidTransition
from audit.models import AlteredRow, Entry
from certificates.approvals import confirmations
from certificates.authority import key_operations
from certificates.models import Authority, VaultJob
from certificates.operations.states import JobState
from certificates.tasks import authority as tasks
from certificates.tasks import schedule
from devices.identity import zone_keys
from pki.protection import sealing
from tests.support import clients, factories
from tests.zcc.rows import sql
from wire import messages

PHRASE = "a long enough passphrase"


@pytest.fixture(autouse=True)
def setting(settings):
    settings.CONFIRM_KEY_JOBS = True


@pytest.fixture
def admin(zone):
    return factories.admin()


def backup(admin):
    job = key_operations.back_up(PHRASE, by=admin)
    tasks.run_key_job(str(job.pk))
    job.refresh_from_db()
    return job


def run(job):
    tasks.run_key_job(str(job.pk))
    job.refresh_from_db()
    return job.state


def test_a_backup_waits_for_the_confirmation_on_the_certificate_server(zone, admin, capsys):
    job = backup(admin)
    assert job.state == JobState.CONFIRMING
    page = clients.log_in(admin).get(reverse("certificates:key_job", args=[job.pk]))
    assert "manage.py confirm_job" in page.content.decode()
    schedule.schedule_work()
    assert run(job) == JobState.CONFIRMING
    call_command("confirm_job")
    assert str(job.pk) in capsys.readouterr().out
    call_command("confirm_job", str(job.pk)[:8], "--yes")
    assert run(job) == JobState.DONE, job.reason
    assert bytes(job.result)
    assert "confirmed by system user" in Entry.objects.filter(action="move").order_by("seq")[1].note


def test_nothing_is_confirmed_without_a_yes(zone, admin, monkeypatch):
    job = backup(admin)
    monkeypatch.setattr("builtins.input", lambda _question: "no")
    with pytest.raises(CommandError, match="Nothing was confirmed"):
        call_command("confirm_job", str(job.pk))
    assert run(job) == JobState.CONFIRMING
    with pytest.raises(CommandError, match="No single job"):
        call_command("confirm_job", "ffffffff")


def test_the_web_process_cannot_confirm(zone, admin):
    """It has the key of row MACs. So a taken-over web process sets any state and column."""
    job = backup(admin)
    forged = zone_keys.get_keyring().get_mac(confirmations.PURPOSE, "anything")
    VaultJob.objects.filter(pk=job.pk).update(
        state=JobState.WAITING, confirmed_at=timezone.now(), confirmation=forged
    )
    assert run(job) == JobState.CONFIRMING
    assert bytes(job.result) == b""


@pytest.mark.parametrize("what", ["passphrase", "kind", "target", "vault key"])
def test_a_confirmation_is_for_one_job_only(zone, admin, what):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    zone.join("ps-03", messages.PRIMARY, "127.9.0.3").refresh()
    second, third = (zone.device(zone.hosts[name]) for name in ("ps-02", "ps-03"))
    job = key_operations.move_role(second.pk, by=admin, now=timezone.now())
    tasks.run_key_job(str(job.pk))
    call_command("confirm_job", str(job.pk), "--yes")
    rows = VaultJob.objects.filter(pk=job.pk)
    if what == "passphrase":
        rows.update(sealed="another")
    elif what == "kind":
        rows.update(kind=VaultJob.Kind.BACKUP)
    elif what == "target":
        rows.update(target=third)
    else:
        second.ca_vault_key = sealing.generate_vault_key().public
        second.save()
    assert run(job) == JobState.CONFIRMING
    assert Authority.objects.current().certificate_server.name == "ps-01"


def test_a_confirmed_move_is_carried_out(zone, admin, capsys):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    second = zone.device(zone.hosts["ps-02"])
    job = key_operations.move_role(second.pk, by=admin, now=timezone.now())
    tasks.run_key_job(str(job.pk))
    call_command("confirm_job", str(job.pk), "--yes")
    assert second.ca_vault_key in capsys.readouterr().out
    assert run(job) == JobState.DONE, job.reason
    assert Authority.objects.current().certificate_server == second


def test_an_altered_job_is_not_confirmed(zone, admin):
    job = backup(admin)
    sql.change(job, sealed="another")
    with pytest.raises(CommandError, match="changed in the database"):
        call_command("confirm_job", str(job.pk), "--yes")
    assert AlteredRow.objects.count() == 1


def test_a_job_that_nobody_confirms_expires(zone, admin):
    job = backup(admin)
    now = timezone.now()
    confirmations.expire_unconfirmed(now + timedelta(hours=23))
    job.refresh_from_db()
    assert job.state == JobState.CONFIRMING
    confirmations.expire_unconfirmed(now + timedelta(hours=25))
    job.refresh_from_db()
    assert (job.state, job.sealed, job.reason) == ("expired", "", confirmations.EXPIRED)


def test_without_the_setting_the_worker_needs_no_confirmation(zone, admin, settings):
    settings.CONFIRM_KEY_JOBS = False
    assert backup(admin).state == JobState.DONE


def test_a_job_that_was_confirmed_in_the_meantime_does_not_end_the_task(zone, admin, monkeypatch):
    backup(admin)
    later = timezone.now() + timedelta(hours=25)

    def transition(*_args, **_values):
        raise InvalidTransition("The job was confirmed.")

    monkeypatch.setattr(VaultJob.objects, "transition", transition)
    confirmations.expire_unconfirmed(later)
