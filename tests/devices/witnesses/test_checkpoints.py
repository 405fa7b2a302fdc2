"""Devices keep checkpoints of the audit log, which prove that entries were removed (D-135)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.chain import append_only, verification
from audit.models import Checkpoint, CheckpointMismatch, Entry, LossAcceptance
from certificates.monitoring import notifications
from devices.models import Zone
from devices.witnesses import acceptance, checkpoints, mismatches
from notifications.delivery import events
from notifications.models import Cursor, Delivery, Target
from tests.support import factories
from wire import json_codec
from wire.envelope import Envelope
from wire.messages import AuditCheckpoint

REASON = "restored the dump of Sunday"


@pytest.fixture
def device(zone):
    return zone.join("pc-01")


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def cut(seq: int, *, forget: bool = True) -> None:
    """Remove the last entries and set the checkpoint back, as the owner of the database can."""
    vendor = connection.vendor
    for remove in (append_only.object_removal_statements, append_only.removal_statements):
        for statement in remove(vendor):
            sql(statement)
    sql("DELETE FROM ledger_entry WHERE seq > %s", seq)
    sql("DELETE FROM ledger_entryobject WHERE entry_id > %s", seq)
    digest = Entry.objects.values_list("digest", flat=True).get(seq=seq) if seq else "0" * 64
    sql("UPDATE ledger_checkpoint SET seq = %s, digest = %s", seq, digest)
    for install in (append_only.install_statements, append_only.object_install_statements):
        for statement in install(vendor):
            sql(statement)
    if forget:
        checkpoints.clear_cache()
    assert verification.verify_chain().finding is None


def get_last() -> int:
    return Checkpoint.objects.get().seq


def refresh(device) -> AuditCheckpoint | None:
    """Refresh as the agent does: return the newest checkpoint of all responses."""
    kept = getattr(device, "kept", None)
    answer = device.refresh(audit_checkpoint=kept)
    if answer.get("audit_checkpoint") is None:
        return None
    given = json_codec.build(AuditCheckpoint, answer["audit_checkpoint"], "checkpoint")
    device.kept = given if given.is_newer_than(kept) else kept
    return given


def later(seconds: float = 10) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def exchange(kept: AuditCheckpoint | None, now: datetime | None = None) -> AuditCheckpoint | None:
    return checkpoints.exchange("pc-01", kept, now=now or timezone.now())


def test_a_device_receives_the_checkpoint(device):
    given = refresh(device)
    last = Entry.objects.order_by("seq").last()
    assert (given.branch, given.seq, given.digest) == (0, last.seq, last.digest)


def test_a_waiting_device_receives_none(zone, device):
    zone.device(device).__class__.objects.filter(pk=device.guid).update(state="waiting")
    assert refresh(device) is None


def test_a_device_of_the_previous_version_refreshes(device):
    assert device.refresh()["approved"]
    assert not CheckpointMismatch.objects.exists()


def test_a_log_that_grows_matches(device):
    refresh(device)
    Entry.objects.record("act", "thing:1")
    checkpoints.clear_cache()
    assert refresh(device).seq == get_last()
    assert not CheckpointMismatch.objects.exists()


def test_a_cut_log_is_found_by_the_report_of_a_device(zone, device):
    """The attack: raw SQL removes the last entries and sets the checkpoint back."""
    for number in range(5):
        Entry.objects.record("act", f"thing:{number}")
    checkpoints.clear_cache()
    known = refresh(device)
    cut(known.seq - 3)
    assert refresh(device) is None, "the device keeps its checkpoint as proof"
    row = CheckpointMismatch.objects.get()
    assert (row.seq, row.digest, row.witness) == (known.seq, known.digest, "pc-01")
    entry = Entry.objects.get(action="entries-missing")
    assert entry.note == (
        f"Audit entries {known.seq - 2} to {known.seq} are missing. "
        f"pc-01 has the digest of entry {known.seq}."
    )
    assert mismatches.list_open() == [row]


def test_a_cut_log_is_found_after_it_has_grown_again(device):
    known = refresh(device)
    cut(known.seq - 2)
    for number in range(5):
        Entry.objects.record("act", f"other:{number}")
    checkpoints.clear_cache()
    assert refresh(device) is None
    assert "different digest" in Entry.objects.get(action="entries-missing").note


def test_an_emptied_log_is_found(device):
    refresh(device)
    cut(0)
    assert refresh(device) is None
    assert mismatches.list_open()


def test_there_is_one_entry_however_many_devices_report(zone):
    devices = [zone.join(f"pc-{number}") for number in range(3)]
    for one in devices:
        checkpoints.clear_cache()
        refresh(one)
        Entry.objects.record("act", "thing")
    cut(devices[0].kept.seq - 1)
    for one in devices * 2:
        assert refresh(one) is None
    assert Entry.objects.filter(action="entries-missing").count() == 1
    assert CheckpointMismatch.objects.count() == 3


def test_a_device_cannot_invent_a_checkpoint(device):
    given = refresh(device)
    for fake in (
        AuditCheckpoint(0, 10**9, "a" * 64, "b" * 64),
        AuditCheckpoint(0, given.seq, "a" * 64, given.mac),
        AuditCheckpoint(7, given.seq, given.digest, given.mac),
    ):
        device.kept = fake
        assert refresh(device) == given
    assert not CheckpointMismatch.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"branch": -1},
        {"seq": 2**63},
        {"digest": "x"},
        {"mac": "A" * 64},
    ],
    ids=str,
)
def test_a_checkpoint_beyond_the_limits_is_rejected(device, wrong):
    values = {"branch": 0, "seq": 1, "digest": "a" * 64, "mac": "b" * 64, **wrong}
    message = {"t": 0.0, "agent": "1", "audit_checkpoint": values}
    assert device.send("POST", "/zac/v1/refresh", message).status_code == 422


def test_an_unchanged_refresh_needs_no_query(device, django_assert_num_queries):
    given = exchange(None)
    with django_assert_num_queries(0):
        assert exchange(given) == given
        assert exchange(None) == given


def test_an_older_checkpoint_is_looked_up_once(device, django_assert_num_queries):
    older = exchange(None)
    Entry.objects.record("act", "thing")
    checkpoints.clear_cache()
    current = exchange(None)
    with django_assert_num_queries(1):
        for _ in range(3):
            assert exchange(older) == current


def test_entries_are_looked_up_at_a_bounded_rate(zone, django_assert_max_num_queries):
    kept = []
    for _ in range(checkpoints.MAX_LOOKUPS + 5):
        Entry.objects.record("act", "thing")
        kept.append(checkpoints.read_checkpoint())
    checkpoints.clear_cache()
    now = timezone.now().replace(microsecond=0)
    exchange(None, now)
    with django_assert_max_num_queries(checkpoints.MAX_LOOKUPS):
        found = [exchange(one, now) for one in kept[:-1]]
    assert found.count(None) == 4, "these devices keep their checkpoints until the next refresh"
    assert exchange(kept[-2], now + timedelta(seconds=1)) is not None


def test_a_checkpoint_that_another_process_gave_is_no_mismatch(device):
    exchange(None)
    Entry.objects.record("act", "thing")
    assert exchange(checkpoints.read_checkpoint()) is not None
    assert not CheckpointMismatch.objects.exists()


def test_a_process_finds_what_it_has_seen_itself(device):
    exchange(None)
    last = get_last()
    cut(last - 1, forget=False)
    exchange(None, later())
    row = CheckpointMismatch.objects.get()
    assert (row.seq, row.witness) == (last, "ps-01")


def test_a_process_learns_of_an_acceptance_from_a_device(device):
    exchange(None)
    acceptance.accept_loss(REASON, missing=["some"])
    given = checkpoints.read_checkpoint()
    assert given.branch == 1
    assert exchange(given) == given
    assert not CheckpointMismatch.objects.exists()


def accept() -> LossAcceptance:
    problems = [mismatches.describe(row) for row in mismatches.list_open()]
    return acceptance.accept_loss(REASON, missing=problems)


def test_an_accepted_loss_ends_the_alarm_and_devices_keep_new_checkpoints(device):
    known = refresh(device)
    cut(known.seq - 2)
    refresh(device)
    accept()
    checkpoints.clear_cache()
    assert mismatches.list_open() == []
    entry = Entry.objects.get(action="accept-loss")
    assert entry.note == REASON
    assert "missing" in entry.detail["missing"][0]
    given = refresh(device)
    assert (given.branch, given.seq) == (1, get_last())
    assert device.kept == given
    for number in range(5):
        Entry.objects.record("act", f"thing:{number}")
    checkpoints.clear_cache()
    refresh(device)
    assert mismatches.list_open() == []
    cut(get_last() - 1)
    assert refresh(device) is None, "the new branch is protected as the one before"
    assert Entry.objects.filter(action="entries-missing").count() == 2


def test_an_acceptance_that_is_not_signed_with_the_zone_key_has_no_effect(device):
    known = refresh(device)
    cut(known.seq - 2)
    document = acceptance.Acceptance(
        zone=str(Zone.objects.get_zone().guid), branch=9, seq=1, digest="", reason="x"
    )
    forged = json_codec.dump(document)
    envelope = Envelope(acceptance.PAYLOAD_TYPE, forged.hex(), "AA==")
    LossAcceptance.objects.create(branch=9, envelope=json_codec.dump(envelope).decode())
    LossAcceptance.objects.create(branch=8, envelope="{}")
    assert refresh(device) is None
    assert len(mismatches.list_open()) == 1
    assert accept().branch == 10


def test_a_removed_acceptance_is_found(device):
    known = refresh(device)
    cut(known.seq - 2)
    refresh(device)
    accept()
    checkpoints.clear_cache()
    refresh(device)
    LossAcceptance.objects.all().delete()
    CheckpointMismatch.objects.all().delete()
    checkpoints.clear_cache()
    assert refresh(device) is None
    assert [row.branch for row in mismatches.list_open()] == [1]
    assert accept().branch == 2


def test_a_mismatch_ends_when_the_entries_are_restored(device):
    known = refresh(device)
    entry = Entry.objects.get(seq=known.seq)
    cut(known.seq - 1)
    refresh(device)
    assert mismatches.list_open()
    for statement in append_only.removal_statements(connection.vendor):
        sql(statement)
    sql("DELETE FROM ledger_entry WHERE seq >= %s", known.seq)
    entry.save(force_insert=True)
    assert mismatches.list_open() == []


def test_the_home_page_and_a_notification_report_it(device):
    Target.objects.create(name="hook", kind="mail", events=list(events.DEFAULT_EVENTS))
    for number in range(5):
        Entry.objects.record("act", f"thing:{number}")
    notifications.create_notifications(timezone.now())
    checkpoints.clear_cache()
    known = refresh(device)
    cut(known.seq - 4)
    refresh(device)
    assert get_last() < Cursor.objects.get().seq, "the cursor is after the end of the log"
    assert notifications.is_due(timezone.now())
    for _ in range(2):
        notifications.create_notifications(timezone.now())
    sent = Delivery.objects.get(event=events.AUDIT_LOG)
    assert "are missing" in sent.title
    assert sent.facts["witness"] == "pc-01"
    assert not notifications.is_due(timezone.now())
    client = Client()
    client.force_login(factories.admin())
    page = client.get("/").content.decode()
    assert "are missing. pc-01 has the digest" in page
    accept()
    notifications.create_notifications(timezone.now())
    assert Delivery.objects.filter(event=events.AUDIT_LOG).count() == 2
    assert "are missing. pc-01" not in client.get("/").content.decode()
