"""Two-administrator approval of CA operations and CA key jobs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from administrators.accounts import policies
from administrators.models import Policies
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


def test_an_operation_starts_immediately_without_two_administrator_approval(zone):
    assert walkthrough.remint_ca().state == P.PREPARING


def test_a_proposed_operation_waits_and_blocks_other_operations(two, zone):
    operation = remint(two[0])
    assert operation.state == P.PROPOSED
    assert walkthrough.prepare(zone, operation) == [], "nothing is prepared before the approval"
    assert not Authority.objects.filter(state="future").exists()
    with pytest.raises(Conflict):
        walkthrough.remint_ca()


def test_the_requester_sees_whom_to_ask(two, zone):
    first, second = two
    type(second).objects.filter(pk=second.pk).update(email="second@acme.example")
    operation = remint(first)
    asked = f"Ask one of them: {second.username} (second@acme.example)."
    page = "/configuration/certificates/"
    for address in (page, f"{page}operations/{operation.pk}/"):
        assert asked in browser(first).get(address).content.decode()
        assert "Ask one of them" not in browser(second).get(address).content.decode()
    approvals.reject_operation(operation, by=second, now=timezone.now())
    Operation.objects.all().update(state=P.CANCELED)
    key_operations.back_up(PASSPHRASE, by=first)
    assert asked in browser(first).get(page).content.decode()


def test_the_operation_starts_when_the_second_administrator_approves(two, zone):
    first, second = two
    operation = remint(first)
    approvals.approve_operation(operation, by=second, now=timezone.now())
    operation = walkthrough.fresh(operation)
    assert operation.state == P.PREPARING
    assert operation.approved_by == second
    assert walkthrough.prepare(zone, operation)
    entry = Entry.objects.get(here=P.PROPOSED)
    assert entry.note == "approved by second"


def test_the_requester_cannot_approve(two):
    operation = remint(two[0])
    with pytest.raises(Refused, match="second administrator"):
        approvals.approve_operation(operation, by=two[0], now=timezone.now())
    assert walkthrough.fresh(operation).state == P.PROPOSED


def test_a_user_without_the_right_cannot_approve(two):
    operation = remint(two[0])
    with pytest.raises(Forbidden):
        approvals.approve_operation(operation, by=factories.user("reader"), now=timezone.now())


def test_a_proposed_operation_expires_after_24_hours(two, zone):
    operation = remint(two[0], activates_at=walkthrough.soon(days=9))
    later = timezone.now() + timedelta(hours=24)
    with pytest.raises(Conflict):
        approvals.approve_operation(operation, by=two[1], now=later)
    approvals.expire_requests(later - timedelta(seconds=2))
    assert walkthrough.fresh(operation).state == P.PROPOSED
    approvals.expire_requests(later)
    assert walkthrough.step(operation).state == P.CANCELED
    assert Operation.objects.blocking().count() == 0


def test_an_operation_cannot_be_approved_too_shortly_before_its_activation(two):
    operation = remint(two[0], activates_at=walkthrough.soon(minutes=10))
    with pytest.raises(TooEarly):
        approvals.approve_operation(
            operation, by=two[1], now=timezone.now() + timedelta(minutes=9, seconds=30)
        )


def test_a_proposed_operation_can_be_canceled_in_the_freeze_period(two, zone):
    from certificates.operations import cancellation

    operation = remint(two[0])
    cancellation.cancel(operation, now=timezone.now() + timedelta(minutes=9, seconds=50))
    assert walkthrough.step(operation).state == P.CANCELED


def test_server_remints_do_not_need_approval(two, zone):
    assert walkthrough.remint_servers(zone.first).state == P.PREPARING


@pytest.mark.parametrize("kind", ["backup", "move", "restore"])
def test_a_ca_key_job_runs_after_its_approval(two, zone, kind):
    first, second = two
    now = timezone.now()
    other = zone.join("ps-02", messages.PRIMARY)
    if kind == "backup":
        job = key_operations.back_up(PASSPHRASE, by=first)
    elif kind == "move":
        other.refresh()
        job = key_operations.move_role(other.guid, by=first, now=now)
    else:
        Policies.objects.update(two_administrators=False)
        made = key_operations.back_up(PASSPHRASE, by=first)
        key_jobs.run(made, now=now)
        data = bytes(VaultJob.objects.get(pk=made.pk).result)
        Policies.objects.update(two_administrators=True)
        zone.first.refresh()
        job = key_operations.restore(data, PASSPHRASE, zone.first.guid, by=first, now=now)
    assert job.state == JobState.PROPOSED
    key_jobs.run(job, now=now)
    tasks.schedule_work()
    assert VaultJob.objects.get(pk=job.pk).state == JobState.PROPOSED
    with pytest.raises(Refused):
        approvals.approve_job(job, by=first, now=now)
    later = now + timedelta(hours=3)
    approvals.approve_job(job, by=second, now=later)
    key_jobs.run(job, now=later)
    assert VaultJob.objects.get(pk=job.pk).state == JobState.DONE


def test_an_expired_job_request_deletes_its_passphrase(two):
    job = key_operations.back_up(PASSPHRASE, by=two[0])
    approvals.expire_requests(timezone.now() + timedelta(hours=25))
    job.refresh_from_db()
    assert (job.state, job.sealed) == (JobState.EXPIRED, "")


def test_an_approved_backup_can_be_downloaded_for_24_hours(two):
    first, second = two
    job = key_operations.back_up(PASSPHRASE, by=first)
    now = timezone.now()
    approvals.approve_job(job, by=second, now=now)
    key_jobs.run(job, now=now)
    key_operations.delete_expired_results(now + timedelta(hours=23))
    assert bytes(VaultJob.objects.get(pk=job.pk).result)
    key_operations.delete_expired_results(now + timedelta(hours=25))
    assert not bytes(VaultJob.objects.get(pk=job.pk).result)


def test_the_second_administrator_approves_in_a_dialog(two, zone):
    first, second = two
    operation = remint(first)
    theirs, mine = browser(first), browser(second)
    assert "is waiting for approval by a second administrator" in mine.get("/").content.decode()
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


def test_the_dialog_requires_the_password_if_the_login_is_old(two):
    operation = remint(two[0])
    client = browser(two[1])
    session = client.session
    session["authenticated_at"] = 0
    session.save()
    answer = client.post(f"/configuration/certificates/operations/{operation.pk}/confirm/")
    assert answer.status_code == 422
    assert walkthrough.fresh(operation).state == P.PROPOSED


def test_a_job_can_be_approved_or_withdrawn_on_its_page(two):
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


def test_one_administrator_alone_cannot_turn_approval_on_or_off(zone):
    alone = factories.user("alone", CA)
    now = timezone.now()
    with pytest.raises(Refused, match="requires at least two administrators"):
        policies.update_policies(
            requires_second_factor=False, two_administrators=True, by=alone, now=now
        )
    other = factories.user("other", CA)
    policies.update_policies(
        requires_second_factor=False, two_administrators=True, by=alone, now=now
    )
    policies.update_policies(
        requires_second_factor=False, two_administrators=False, by=alone, now=now
    )
    assert Policies.objects.get().two_administrators, "it is only requested"
    with pytest.raises(Refused):
        policies.approve_turn_off(by=alone, now=now)
    with pytest.raises(Conflict):
        policies.approve_turn_off(by=other, now=now + timedelta(hours=25))
    policies.approve_turn_off(by=other, now=now + timedelta(hours=23))
    assert not Policies.objects.get().two_administrators


def test_turning_off_approval_is_approved_in_a_dialog(two):
    first, second = two
    policies.update_policies(
        requires_second_factor=False, two_administrators=False, by=first, now=timezone.now()
    )
    there = "/configuration/administrators/rules/end/"
    assert there in browser(second).get("/").content.decode()
    page = browser(second).get(there).content.decode()
    assert "Reject" in page
    assert "Withdraw" in browser(first).get(there).content.decode()
    assert browser(second).post(there, {"do": "refuse", "reason": "No."}).status_code == 302
    assert Policies.objects.get().two_administrators
    assert Entry.objects.get(action="refuse-rules").note == "No."
    assert browser(second).get(there).status_code == 409, "nothing is waiting any more"
    policies.update_policies(
        requires_second_factor=False, two_administrators=False, by=first, now=timezone.now()
    )
    assert browser(second).post(there).status_code == 302
    assert not Policies.objects.get().two_administrators
