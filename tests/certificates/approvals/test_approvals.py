"""Two administrators for acts on the zone CA, where the rules ask for it (B-29, S-46)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from administrators.accounts import policies
from administrators.models import Rules
from audit.models import Entry
from certificates import tasks
from certificates.approvals import approvals
from certificates.authority import key_jobs, key_operations
from certificates.models import Authority, Operation, VaultJob
from certificates.operations.activation_time import TooEarly
from certificates.operations.states import JobState, OperationState
from faults import Conflict, Forbidden, Refused
from tests.support import factories, walkthrough
from wire import messages

pytestmark = pytest.mark.django_db
CA = "certificates.certificate_authority"
P = OperationState
PASSPHRASE = "a passphrase of many words"


def remint(by, **changes):
    operation = walkthrough.remint_ca(**changes)
    Operation.objects.filter(pk=operation.pk).update(requested_by=by)
    return walkthrough.fresh(operation)


def browser(user):
    client = Client()
    client.force_login(user)
    session = client.session
    session["authenticated_at"] = timezone.now().timestamp()
    session.save()
    return client


def test_without_the_rule_an_operation_begins_at_once(zone):
    assert walkthrough.remint_ca().state == P.PREPARING


def test_an_operation_on_the_ca_waits_and_takes_the_buttons(two, zone):
    operation = remint(two[0])
    assert operation.state == P.PROPOSED
    assert walkthrough.prepare(zone, operation) == [], "nothing is made before the second agrees"
    assert not Authority.objects.filter(state="future").exists()
    with pytest.raises(Conflict):
        walkthrough.remint_ca()


def test_the_second_lets_it_begin(two, zone):
    first, second = two
    operation = remint(first)
    approvals.approve_operation(operation, by=second, now=timezone.now())
    operation = walkthrough.fresh(operation)
    assert operation.state == P.PREPARING
    assert operation.confirmed_by == second
    assert walkthrough.prepare(zone, operation)
    line = Entry.objects.get(here=P.PROPOSED)
    assert line.note == "confirmed by second"


def test_the_first_cannot_confirm(two):
    operation = remint(two[0])
    with pytest.raises(Refused, match="second administrator"):
        approvals.approve_operation(operation, by=two[0], now=timezone.now())
    assert walkthrough.fresh(operation).state == P.PROPOSED


def test_whoever_lacks_the_right_cannot_confirm(two):
    operation = remint(two[0])
    with pytest.raises(Forbidden):
        approvals.approve_operation(operation, by=factories.user("reader"), now=timezone.now())


def test_after_a_day_it_is_given_up(two, zone):
    operation = remint(two[0], activates_at=walkthrough.soon(days=9))
    later = timezone.now() + timedelta(hours=24)
    with pytest.raises(Conflict):
        approvals.approve_operation(operation, by=two[1], now=later)
    approvals.expire_requests(later - timedelta(seconds=2))
    assert walkthrough.fresh(operation).state == P.PROPOSED
    approvals.expire_requests(later)
    assert walkthrough.step(operation).state == P.CANCELLED
    assert Operation.objects.blocking().count() == 0


def test_the_activation_time_must_still_leave_the_devices_time(two):
    operation = remint(two[0], activates_at=walkthrough.soon(minutes=10))
    with pytest.raises(TooEarly):
        approvals.approve_operation(
            operation, by=two[1], now=timezone.now() + timedelta(minutes=9, seconds=30)
        )


def test_it_can_be_cancelled_while_it_waits_also_within_the_lock_out(two, zone):
    from certificates.operations import cancellation

    operation = remint(two[0])
    cancellation.cancel(operation, now=timezone.now() + timedelta(minutes=9, seconds=50))
    assert walkthrough.step(operation).state == P.CANCELLED


def test_server_remints_need_no_second(two, zone):
    assert walkthrough.remint_servers(zone.first).state == P.PREPARING


@pytest.mark.parametrize("kind", ["backup", "move", "restore"])
def test_an_act_on_the_ca_key_waits_with_its_secret_sealed(two, zone, kind):
    first, second = two
    now = timezone.now()
    other = zone.join("ps-02", messages.PRIMARY)
    if kind == "backup":
        job = key_operations.back_up(PASSPHRASE, by=first)
    elif kind == "move":
        other.refresh()
        job = key_operations.move_role(other.guid, by=first, now=now)
    else:
        Rules.objects.update(two_administrators=False)
        made = key_operations.back_up(PASSPHRASE, by=first)
        key_jobs.do(made, now=now)
        data = bytes(VaultJob.objects.get(pk=made.pk).result)
        Rules.objects.update(two_administrators=True)
        zone.first.refresh()
        job = key_operations.restore(data, PASSPHRASE, zone.first.guid, by=first, now=now)
    assert job.state == JobState.PROPOSED
    key_jobs.do(job, now=now)
    tasks.sweep()
    assert VaultJob.objects.get(pk=job.pk).state == JobState.PROPOSED
    with pytest.raises(Refused):
        approvals.approve_job(job, by=first, now=now)
    later = now + timedelta(hours=3)
    approvals.approve_job(job, by=second, now=later)
    key_jobs.do(job, now=later)
    assert VaultJob.objects.get(pk=job.pk).state == JobState.DONE


def test_a_proposal_that_nobody_confirms_forgets_its_passphrase(two):
    job = key_operations.back_up(PASSPHRASE, by=two[0])
    approvals.expire_requests(timezone.now() + timedelta(hours=25))
    job.refresh_from_db()
    assert (job.state, job.sealed) == (JobState.EXPIRED, "")


def test_the_first_finds_the_backup_hours_later(two):
    first, second = two
    job = key_operations.back_up(PASSPHRASE, by=first)
    now = timezone.now()
    approvals.approve_job(job, by=second, now=now)
    key_jobs.do(job, now=now)
    key_operations.forget_results(now + timedelta(hours=23))
    assert bytes(VaultJob.objects.get(pk=job.pk).result)
    key_operations.forget_results(now + timedelta(hours=25))
    assert not bytes(VaultJob.objects.get(pk=job.pk).result)


def test_the_second_sees_it_at_home_and_confirms_in_a_dialog(two, zone):
    first, second = two
    operation = remint(first)
    theirs, mine = browser(first), browser(second)
    assert "waits for a second administrator" in mine.get("/").content.decode()
    page = "/configuration/certificates/"
    confirm = f"{page}operations/{operation.pk}/confirm/"
    assert confirm in mine.get(page).content.decode()
    assert confirm not in theirs.get(page).content.decode()
    shown = mine.get(confirm).content.decode()
    assert "first" in shown
    assert "TEST-ZONE" in shown
    assert theirs.post(confirm).status_code == 422
    assert mine.post(confirm).status_code == 302
    assert walkthrough.fresh(operation).state == P.PREPARING


def test_the_dialog_asks_for_the_password_when_the_login_is_old(two):
    operation = remint(two[0])
    client = browser(two[1])
    session = client.session
    session["authenticated_at"] = 0
    session.save()
    answer = client.post(f"/configuration/certificates/operations/{operation.pk}/confirm/")
    assert answer.status_code == 422
    assert walkthrough.fresh(operation).state == P.PROPOSED


def test_a_job_is_confirmed_or_withdrawn_on_its_page(two):
    first, second = two
    job = key_operations.back_up(PASSPHRASE, by=first)
    there = f"/configuration/certificates/jobs/{job.pk}/confirm/"
    assert there in browser(second).get("/configuration/certificates/").content.decode()
    assert "Withdraw" in browser(first).get(there).content.decode()
    assert browser(first).post(there).status_code == 302
    assert VaultJob.objects.get().state == JobState.EXPIRED
    other = key_operations.back_up(PASSPHRASE, by=first)
    assert browser(second).post(there.replace(str(job.pk), str(other.pk))).status_code == 302
    assert VaultJob.objects.get(pk=other.pk).state == JobState.WAITING


def test_one_alone_cannot_turn_the_rule_on_or_off(zone):
    alone = factories.user("alone", CA)
    now = timezone.now()
    with pytest.raises(Refused, match="one administrator alone"):
        policies.change(requires_second_factor=False, two_administrators=True, by=alone, now=now)
    other = factories.user("other", CA)
    policies.change(requires_second_factor=False, two_administrators=True, by=alone, now=now)
    policies.change(requires_second_factor=False, two_administrators=False, by=alone, now=now)
    assert Rules.objects.get().two_administrators, "it was asked for, not done"
    with pytest.raises(Refused):
        policies.confirm_end(by=alone, now=now)
    with pytest.raises(Conflict):
        policies.confirm_end(by=other, now=now + timedelta(hours=25))
    policies.confirm_end(by=other, now=now + timedelta(hours=23))
    assert not Rules.objects.get().two_administrators


def test_the_end_of_the_rule_is_confirmed_in_its_dialog(two):
    first, second = two
    policies.change(
        requires_second_factor=False, two_administrators=False, by=first, now=timezone.now()
    )
    there = "/configuration/administrators/rules/end/"
    assert there in browser(second).get("/").content.decode()
    assert browser(first).post(there).status_code == 422
    assert browser(second).post(there).status_code == 302
    assert not Rules.objects.get().two_administrators
