"""What the requester sees of a decision of the second administrator."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.chain.actor import Actor, acting_as
from audit.models import Entry
from certificates.approvals import approvals, decisions
from certificates.authority import key_jobs, key_operations
from certificates.models import Operation, VaultJob
from certificates.models.job import APPROVED_RESULT_KEPT
from certificates.operations import cancellation
from faults import Invalid
from tests.certificates.clients import PAGE, entered, events
from tests.support import walkthrough, work
from tests.support.work import analyze

PHRASE = "seven quiet lakes"


@pytest.fixture
def backup(two):
    """A backup that the first administrator has requested."""
    return key_operations.back_up(PHRASE, by=two[0])


def listed(user, **later):
    return [one.text for one in decisions.list_decisions(user, timezone.now() + timedelta(**later))]


def get_pages(user):
    client = entered(user)
    return client, client.get(PAGE).content.decode(), client.get("/").content.decode()


def approve(job, by):
    approvals.approve_job(job, by=by, now=timezone.now())
    key_jobs.run(job, now=timezone.now())


def test_an_approved_backup_can_be_downloaded_by_its_requester(two, backup):
    first, second = two
    assert not listed(first)
    approve(backup, second)
    client, page, home = get_pages(first)
    there = f"{PAGE}jobs/{backup.pk}/"
    for text in (page, home):
        assert "Backup CA was approved by second and is complete." in text
        assert there in text
    dialog = client.get(there)
    assert "Download Again" in dialog.content.decode()
    again = client.post(f"{there}again/")
    file = client.get(events(again)["zcc:download"]["url"])
    assert file.content == bytes(VaultJob.objects.get().result)
    assert file.content.startswith(b"PK")
    assert "was approved by" not in "".join(get_pages(second)[1:])


def test_a_decision_is_shown_for_a_day(two, backup):
    approve(backup, two[1])
    assert len(listed(two[0])) == 1
    assert not listed(two[0], seconds=APPROVED_RESULT_KEPT.total_seconds() + 60)


def test_a_rejected_job_is_shown_with_its_reason_and_without_restore(two, backup):
    first, second = two
    approvals.reject_job(backup, by=second, now=timezone.now())
    client, page, home = get_pages(first)
    words = "Backup CA was not carried out. second rejected the request. Nothing was changed."
    assert words in page
    assert words in home
    dialog = client.get(f"{PAGE}jobs/{backup.pk}/").content.decode()
    assert "second rejected the request. Nothing was changed." in dialog
    assert dialog.count("Nothing was changed") == 1
    assert "did not respond" not in dialog
    assert 'href="/configuration/certificates/restore-ca/"' not in dialog


def test_a_withdrawn_job_is_not_shown(two, backup):
    approvals.reject_job(backup, by=two[0], now=timezone.now())
    assert not listed(two[0])


def test_a_request_that_expired_is_shown(two, backup):
    VaultJob.objects.update(created_at=timezone.now() - approvals.REQUEST_LIFETIME)
    VaultJob.objects.get().save()
    approvals.expire_requests(timezone.now())
    assert listed(two[0]) == [f"Backup CA was not carried out. {approvals.REQUEST_EXPIRED}"]


@pytest.fixture
def proposed(two):
    operation = walkthrough.remint_ca()
    Operation.objects.filter(pk=operation.pk).update(requested_by=two[0])
    return walkthrough.fresh(operation)


def cancel(operation, by):
    with acting_as(Actor(by)):
        cancellation.cancel(operation, now=timezone.now())


def test_a_rejected_operation_is_shown_to_its_requester_only(two, proposed):
    first, second = two
    cancel(proposed, "second")
    words = "was not carried out. second rejected the request. Nothing was changed."
    assert listed(first) == [f"{proposed.name} {words}"]
    assert not listed(second)


def test_an_operation_that_its_requester_canceled_is_not_shown(two, proposed):
    cancel(proposed, "first")
    assert not listed(two[0])


def test_a_rejected_action_is_shown_to_its_requester(two, proposed, monkeypatch):
    first, second = two
    monkeypatch.setitem(approvals.CHECKS, approvals.FORCE, lambda operation, *, now: None)
    with acting_as(Actor("first")):
        approvals.run_or_request(proposed, approvals.FORCE, by=first, now=timezone.now())
    with acting_as(Actor("second")):
        approvals.reject_action(proposed, approvals.FORCE, by=second, now=timezone.now())
    words = "was not carried out. second rejected the request. Nothing was changed."
    assert listed(first) == [f"Force Activation: {proposed.name} {words}"]
    assert not listed(second)


REASON = "The passphrase is not in the safe."
SHOWN = f"second rejected the request. Nothing was changed. Reason: {REASON}"


def reject(user, path):
    """Reject a request in its dialog. The reason is typed on two lines."""
    client = entered(user)
    assert 'name="reason"' in client.get(path).content.decode()
    answer = client.post(path, {"do": "refuse", "reason": REASON.replace("not ", "not\r\n")})
    assert answer.status_code == 204


def test_the_reason_of_a_rejected_job_is_shown_to_its_requester(two, backup):
    first, second = two
    reject(second, f"{PAGE}jobs/{backup.pk}/confirm/")
    client, page, home = get_pages(first)
    for text in (page, home, client.get(f"{PAGE}jobs/{backup.pk}/").content.decode()):
        assert SHOWN in text
    entry = Entry.objects.filter(action="move", there="expired").get()
    assert (entry.note, entry.actor) == (REASON, "second")
    assert REASON not in "".join(get_pages(second)[1:])


def test_the_reason_of_a_rejected_operation_is_shown_to_its_requester(two, zone):
    first, second = two
    operation = walkthrough.remint_ca()
    Operation.objects.filter(pk=operation.pk).update(requested_by=first)
    reject(second, f"{PAGE}operations/{operation.pk}/confirm/")
    assert walkthrough.fresh(operation).state == "canceling"
    assert listed(first) == [f"{operation.name} was not carried out. {SHOWN}"]
    for text in get_pages(first)[1:]:
        assert SHOWN in text
    assert Entry.objects.filter(action="move", there="canceling").get().note == REASON


def test_the_requester_of_an_operation_is_not_asked_for_a_reason(two, proposed):
    dialog = entered(two[0]).get(f"{PAGE}operations/{proposed.pk}/confirm/").content.decode()
    assert 'name="reason"' not in dialog
    assert 'value="refuse"' not in dialog


def test_an_operation_that_has_started_is_not_rejected(two, proposed):
    approvals.approve_operation(proposed, by=two[1], now=timezone.now())
    with pytest.raises(approvals.NotPending):
        approvals.reject_operation(proposed, by=two[1], now=timezone.now(), reason=REASON)
    assert walkthrough.fresh(proposed).state == "preparing"


def test_the_reason_of_a_rejected_action_is_shown_to_its_requester(two, proposed, monkeypatch):
    first, second = two
    monkeypatch.setitem(approvals.CHECKS, approvals.FORCE, lambda operation, *, now: None)
    with acting_as(Actor("first")):
        approvals.run_or_request(proposed, approvals.FORCE, by=first, now=timezone.now())
    reject(second, f"{PAGE}operations/{proposed.pk}/confirm/force/")
    assert listed(first) == [f"Force Activation: {proposed.name} was not carried out. {SHOWN}"]
    assert Entry.objects.get(action="refuse-force").note == REASON


def test_a_reason_has_a_maximum_length(two, backup):
    path, text = f"{PAGE}jobs/{backup.pk}/confirm/", "x" * 501
    answer = entered(two[1]).post(path, {"do": "refuse", "reason": text})
    assert "500 characters" in answer.content.decode()
    with pytest.raises(Invalid, match="500 characters"):
        approvals.reject_job(backup, by=two[1], now=timezone.now(), reason=text)
    assert VaultJob.objects.get().state == "proposed"
    approvals.reject_job(backup, by=two[1], now=timezone.now(), reason=text[1:])
    assert VaultJob.objects.get().reason.endswith(text[1:])


def test_a_withdrawn_request_has_no_reason(two, backup):
    approvals.reject_job(backup, by=two[0], now=timezone.now(), reason=REASON)
    assert VaultJob.objects.get().reason == approvals.WITHDRAWN


def test_the_entries_of_devices_are_not_read(two, proposed):
    """After an activation, the audit log has an entry about each device."""

    def measure():
        with work.measured() as found:
            assert len(listed(two[0])) == 1
        return found.done

    cancel(proposed, "second")
    analyze()
    before = measure()
    for number in range(300):
        Entry.objects.record("move", f"systemupdates.Assignment:{number}", there="activated")
    analyze()
    assert measure() <= before * 1.3 + 50
