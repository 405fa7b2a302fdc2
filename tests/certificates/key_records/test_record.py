"""The record of a CA key."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone

from audit.chain.actor import Actor, acting_as
from audit.models import Entry
from certificates import tasks
from certificates.approvals import approvals, confirmations
from certificates.authority import key_jobs, key_operations, key_store
from certificates.backup.status import BACKED_UP
from certificates.key_records import record
from certificates.models import Authority, VaultJob
from certificates.operations import cancellation
from certificates.operations.states import JobState
from certificates.trust import roots
from devices.models import Device
from tests.pki import factories as pki_factories
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from wire import messages

PASSPHRASE = "a passphrase of many words"


@contextmanager
def acting(user):
    """Act as a user."""
    with acting_as(Actor(user.username, "192.0.2.7")):
        yield user


def list_actions(authority):
    made = record.build_record(authority, now=timezone.now())
    keys = ("action", "requested_by", "approved_by", "result")
    return [tuple(action[key] for key in keys) for action in made.actions]


def run(job):
    key_jobs.run(VaultJob.objects.get(pk=job.pk), now=timezone.now())


def test_the_first_key_was_generated_with_the_zone(zone):
    made = record.build_record(Authority.objects.current(), now=timezone.now())
    assert [(action["action"], action["result"]) for action in made.actions] == [
        ("created", "done")
    ]
    assert made.ca["location"] == "vault"
    assert made.ca["certificate_server"] == "ps-01"
    assert made.entries[0]["action"] == "found"
    assert made.entries[0]["digest"] == Entry.objects.get(action="found").digest


def test_it_names_who_requested_and_who_approved(two, zone):
    first, second = two
    other = zone.join("ps-02", messages.PRIMARY)
    other.refresh()
    with acting(first):
        rejected = key_operations.back_up(PASSPHRASE, by=first)
    with acting(second):
        approvals.reject_job(rejected, by=second, now=timezone.now(), reason="not now")
    with acting(first):
        backup = key_operations.back_up(PASSPHRASE, by=first)
    with acting(second):
        approvals.approve_job(backup, by=second, now=timezone.now())
    run(backup)
    with acting(second):
        move = key_operations.move_role(other.guid, by=second, now=timezone.now())
    with acting(first):
        approvals.approve_job(move, by=first, now=timezone.now())
    run(move)
    assert list_actions(Authority.objects.current()) == [
        ("created", "system", "", "done"),
        ("backup", first.username, "", "expired"),
        ("backup", first.username, second.username, "done"),
        ("move", second.username, first.username, "done"),
    ]
    made = record.build_record(Authority.objects.current(), now=timezone.now())
    assert made.ca["certificate_server"] == "ps-02"
    assert made.actions[3]["note"] == "on ps-01 to ps-02"
    assert {row["address"] for row in made.entries if row["by"] == first.username} == {"192.0.2.7"}


def test_it_names_who_confirmed_on_the_server(zone, settings):
    settings.CONFIRM_KEY_JOBS = True
    job = key_operations.back_up(PASSPHRASE, by=None)
    tasks.run_key_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == JobState.CONFIRMING
    with acting_as(Actor("root", "")):
        confirmations.confirm(job, now=timezone.now(), note="on the console of ps-01")
    tasks.run_key_job(str(job.pk))
    action = record.build_record(Authority.objects.current(), now=timezone.now()).actions[1]
    assert (action["confirmed_by"], action["result"]) == ("root", "done")
    assert action["confirmed_at"]


def test_a_restored_key_is_in_the_record(zone):
    backup = key_operations.back_up(PASSPHRASE, by=None)
    run(backup)
    data = bytes(VaultJob.objects.get(pk=backup.pk).result)
    zone.first.refresh()
    run(key_operations.restore(data, PASSPHRASE, zone.first.guid, by=None, now=timezone.now()))
    assert list_actions(Authority.objects.current())[-1] == ("restore", "system", "", "done")


def test_a_key_from_the_backup_of_another_ca_was_imported(two, zone):
    first, second = two
    zone.first.refresh()
    ca = pki_factories.ca("From a backup")
    with acting(first):
        operation = walkthrough.take_over(zone, ca.pem, ca.key)
    type(operation).objects.filter(pk=operation.pk).update(requested_by=first)
    with acting(second):
        approvals.approve_operation(walkthrough.fresh(operation), by=second, now=timezone.now())
    walkthrough.prepare(zone, operation)
    new = walkthrough.fresh(operation).future_authority
    assert list_actions(new) == [("imported", first.username, second.username, "done")]
    made = record.build_record(new, now=timezone.now())
    assert made.actions[0]["note"] == operation.name
    assert made.ca["location"] == "vault"
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    walkthrough.step(operation)
    new.refresh_from_db()
    assert [action for action, *_ in list_actions(new)] == ["imported", "destroyed"]


def test_a_subordinate_key_has_its_certificate_and_its_root_in_the_record(zone):
    zone.first.refresh()
    operation = walkthrough.to_subordinate(zone.first)
    walkthrough.prepare(zone, operation)
    walkthrough.import_ca(operation, PublicCA("Corporate"))
    walkthrough.prepare(zone, operation)
    new = walkthrough.fresh(operation).future_authority
    assert [action for action, *_ in list_actions(new)] == ["created", "certified", "trusted-root"]


def test_backups_of_the_zone_are_one_action_of_each_server(zone):
    server = Device.objects.get(name="ps-01")
    for name in ("1.zip", "2.zip", "3.zip"):
        Entry.objects.record(BACKED_UP, f"devices.Device:{server.pk}", there=server.name, note=name)
    made = record.build_record(Authority.objects.current(), now=timezone.now())
    (action,) = (one for one in made.actions if one["action"] == "zone-backup")
    assert action["note"] == "ps-01: 3"
    assert len(action["entries"]) == 2


def test_a_job_that_was_deleted_is_still_in_the_record(zone):
    job = key_operations.back_up(PASSPHRASE, by=None)
    run(job)
    VaultJob.objects.all().delete()
    assert list_actions(Authority.objects.current())[1] == ("backup", "system", "", "done")


def test_a_new_key_is_created_for_an_operation_and_the_old_one_is_destroyed(two, zone):
    first, second = two
    old = Authority.objects.current()
    with acting(first):
        operation = walkthrough.remint_ca()
    type(operation).objects.filter(pk=operation.pk).update(requested_by=first)
    with acting(second):
        approvals.approve_operation(walkthrough.fresh(operation), by=second, now=timezone.now())
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    new = walkthrough.fresh(operation).future_authority
    walkthrough.sign(zone, new)
    walkthrough.cut_over(zone, operation)
    assert list_actions(new) == [("created", first.username, second.username, "done")]
    old.refresh_from_db()
    assert list_actions(old) == [("created", "system", "", "done")], "it is in its grace period"
    roots.retire_root(old, now=timezone.now() + timedelta(days=365))
    made = record.build_record(old, now=timezone.now())
    assert [action["action"] for action in made.actions] == ["created", "destroyed"]
    assert made.ca["location"] == "destroyed"


def test_a_key_in_a_token_is_destroyed_when_the_token_has_destroyed_it(zone, monkeypatch):
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    discarded = walkthrough.fresh(operation).future_authority
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    walkthrough.step(operation)
    discarded.refresh_from_db()
    assert [action for action, *_ in list_actions(discarded)] == ["created", "destroyed"]
    Authority.objects.filter(pk=discarded.pk).update(sealed_key="pkcs11:a-key")
    discarded.refresh_from_db()
    assert [action for action, *_ in list_actions(discarded)] == ["created"]
    monkeypatch.setattr(key_store, "destroy_key", lambda _: None)
    key_store.destroy_ended_key(discarded, now=timezone.now())
    discarded.refresh_from_db()
    assert list_actions(discarded)[-1] == ("destroyed", "system", "", "done")


def test_nothing_is_known_about_the_key_of_an_external_ca(zone):
    operation = walkthrough.to_external(PublicCA())
    walkthrough.prepare(zone, operation)
    future = walkthrough.fresh(operation).future_authority
    made = record.build_record(future, now=timezone.now())
    assert (made.actions, made.entries) == ([], [])
    assert made.ca["location"] == "external"
    assert "not stored in this zone" in made.remarks[0]


def test_an_action_that_goes_on_has_no_result(zone):
    job = key_operations.back_up(PASSPHRASE, by=None)

    def get_result():
        action = record.build_record(Authority.objects.current(), now=timezone.now()).actions[1]
        return action["result"], bool(action["ended_at"])

    assert get_result() == ("", False)
    run(job)
    assert get_result() == ("done", True)
