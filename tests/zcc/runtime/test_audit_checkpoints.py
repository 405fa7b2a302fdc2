"""Signed checkpoints of the audit log: in a file of each server and in syslog (S-41, D-135)."""

import json
import os
import socket
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit.chain import append_only
from audit.models import Checkpoint, CheckpointMismatch, Entry
from devices.models import Zone
from devices.witnesses import acceptance
from wire import messages
from zcc.runtime import audit_checkpoints
from zcc.tasks import save_audit_checkpoints

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(zone, settings, tmp_path):
    settings.ZCC_HOME = tmp_path / "var"
    settings.ZCC_HOME.mkdir()
    yield zone
    if settings.SYSLOG:
        audit_checkpoints._get_syslog_handler(settings.SYSLOG).close()
        audit_checkpoints._get_syslog_handler.cache_clear()


def add_entries(number):
    for _ in range(number):
        Entry.objects.record("test", "x")


def read(path=None):
    path = path or audit_checkpoints.get_path()
    return audit_checkpoints.read_checkpoint(path, Zone.objects.get_zone())


def test_a_checkpoint_is_saved_with_each_new_entry(home):
    now = timezone.now()
    first = audit_checkpoints.save_checkpoint_if_due(now)
    add_entries(1)
    second = audit_checkpoints.save_checkpoint_if_due(now)
    assert second.seq == first.seq + 1
    assert read() == second


def test_no_checkpoint_is_saved_without_new_entries(home):
    audit_checkpoints.save_checkpoint_if_due(timezone.now())
    assert audit_checkpoints.save_checkpoint_if_due(timezone.now() + timedelta(days=1)) is None


@pytest.fixture
def sent(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(audit_checkpoints, "_send_to_syslog", lines.append)
    return lines


def test_a_checkpoint_is_sent_to_syslog_after_a_number_of_entries(home, sent):
    now = timezone.now()
    audit_checkpoints.save_checkpoint_if_due(now)
    add_entries(audit_checkpoints.MAX_NEW_ENTRIES - 1)
    audit_checkpoints.save_checkpoint_if_due(now)
    assert len(sent) == 1
    add_entries(1)
    audit_checkpoints.save_checkpoint_if_due(now)
    assert len(sent) == 2


def test_a_checkpoint_is_sent_to_syslog_after_a_time(home, sent):
    now = timezone.now()
    audit_checkpoints.save_checkpoint_if_due(now)
    for seconds, expected in ((-2, 1), (1, 2)):
        add_entries(1)
        at = now + timedelta(seconds=audit_checkpoints.MAX_AGE_SECONDS + seconds)
        audit_checkpoints.save_checkpoint_if_due(at)
        assert len(sent) == expected


def test_each_server_has_its_own_checkpoint(home):
    second = home.join("ps-02", messages.PRIMARY)
    audit_checkpoints.save_checkpoint_if_due(timezone.now())
    with home.on(second):
        assert not audit_checkpoints.get_path().exists()
        assert audit_checkpoints.save_checkpoint_if_due(timezone.now()) == read()


def test_the_workers_of_all_servers_are_asked(home, monkeypatch):
    second = home.join("ps-02", messages.PRIMARY)
    queues = []
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda _task, *, queue, **_: queues.append(queue)
    )
    save_audit_checkpoints()
    assert sorted(queues) == sorted(f"server.{one.id}" for one in (home.first, second))


def test_the_checkpoint_of_an_earlier_version_is_compared_and_replaced(home, settings):
    add_entries(3)
    saved = audit_checkpoints.save_checkpoint_if_due(timezone.now())
    audit_checkpoints.get_path().rename(settings.ZCC_HOME / audit_checkpoints.FILE_NAME)
    assert audit_checkpoints.save_checkpoint_if_due(timezone.now()) is None
    cut(saved.seq - 1)
    with pytest.raises(audit_checkpoints.CheckpointMismatch):
        audit_checkpoints.save_checkpoint_if_due(timezone.now())


def cut(seq):
    """Remove the last entries and set the checkpoint back, as the owner of the database can."""
    with connection.cursor() as cursor:
        for statement in append_only.removal_statements(connection.vendor):
            cursor.execute(statement)
        cursor.execute("DELETE FROM ledger_entry WHERE seq > %s", [seq])
        digest = Entry.objects.get(seq=seq).digest
        cursor.execute("UPDATE ledger_checkpoint SET seq = %s, digest = %s", [seq, digest])


def test_a_truncated_log_is_reported_and_does_not_replace_the_last_checkpoint(home):
    """The attack: raw SQL removes the last entries and sets the checkpoint back."""
    add_entries(3)
    saved = audit_checkpoints.save_checkpoint_if_due(timezone.now())
    cut(saved.seq - 2)
    for _ in range(2):
        with pytest.raises(audit_checkpoints.CheckpointMismatch):
            audit_checkpoints.save_checkpoint_if_due(timezone.now())
    add_entries(audit_checkpoints.MAX_NEW_ENTRIES + 5)
    with pytest.raises(audit_checkpoints.CheckpointMismatch):
        audit_checkpoints.save_checkpoint_if_due(timezone.now())
    assert read() == saved
    row = CheckpointMismatch.objects.get()
    assert (row.seq, row.witness) == (saved.seq, "ps-01")
    assert Entry.objects.filter(action="entries-missing").count() == 1


def test_after_an_acceptance_a_new_checkpoint_is_saved_and_the_old_one_is_kept(home):
    add_entries(3)
    saved = audit_checkpoints.save_checkpoint_if_due(timezone.now())
    cut(saved.seq - 2)
    acceptance.accept_loss("restored", missing=["some"])
    fresh = audit_checkpoints.save_checkpoint_if_due(timezone.now())
    assert (fresh.branch, fresh.seq) == (1, Checkpoint.objects.get().seq)
    assert read(audit_checkpoints.get_path().with_name("audit-head-0.json")) == saved


def test_the_checkpoint_is_sent_to_syslog_with_its_signature(home, settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(5)
        settings.SYSLOG = f"127.0.0.1:{log.getsockname()[1]}"
        saved = audit_checkpoints.save_checkpoint_if_due(timezone.now())
        line = log.recv(4096).decode()
    assert f"zcc audit checkpoint {saved.seq} {saved.digest}" in line
    envelope = json.loads(line[line.index("{") :].rstrip("\x00\n"))
    assert envelope["signatures"] if "signatures" in envelope else envelope["signature"]


def test_an_unavailable_syslog_does_not_prevent_saving(home, settings, tmp_path):
    settings.SYSLOG = os.fspath(tmp_path / "missing.sock")
    assert audit_checkpoints.save_checkpoint_if_due(timezone.now()) is not None
