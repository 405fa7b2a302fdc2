"""Signed checkpoints of the audit log: by count and by time, in a file and in syslog (S-41)."""

import json
import os
import socket
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit.chain import append_only
from audit.models import Checkpoint, Entry
from zcc.runtime import audit_checkpoints

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(zone, settings, tmp_path):
    settings.ZCC_HOME = tmp_path
    yield zone
    if settings.SYSLOG:
        audit_checkpoints._get_syslog_handler(settings.SYSLOG).close()
        audit_checkpoints._get_syslog_handler.cache_clear()


def add_entries(number):
    for _ in range(number):
        Entry.objects.record("test", "x")


def test_a_checkpoint_is_saved_after_a_number_of_entries(home):
    now = timezone.now()
    first = audit_checkpoints.save_checkpoint_if_due(now)
    add_entries(audit_checkpoints.MAX_NEW_ENTRIES - 1)
    assert audit_checkpoints.save_checkpoint_if_due(now) is None
    add_entries(1)
    second = audit_checkpoints.save_checkpoint_if_due(now)
    assert second.seq == first.seq + audit_checkpoints.MAX_NEW_ENTRIES
    assert audit_checkpoints.read_checkpoint(audit_checkpoints.get_path(), home.zone) == second


def test_a_checkpoint_is_saved_after_a_time(home):
    now = timezone.now()
    audit_checkpoints.save_checkpoint_if_due(now)
    add_entries(1)
    assert (
        audit_checkpoints.save_checkpoint_if_due(
            now + timedelta(seconds=audit_checkpoints.MAX_AGE_SECONDS - 2)
        )
        is None
    )
    assert audit_checkpoints.save_checkpoint_if_due(
        now + timedelta(seconds=audit_checkpoints.MAX_AGE_SECONDS + 1)
    )


def test_no_checkpoint_is_saved_without_new_entries(home):
    audit_checkpoints.save_checkpoint_if_due(timezone.now())
    assert audit_checkpoints.save_checkpoint_if_due(timezone.now() + timedelta(days=1)) is None


def test_a_truncated_log_does_not_replace_the_last_checkpoint(home):
    add_entries(3)
    saved = audit_checkpoints.save_checkpoint_if_due(timezone.now())
    with connection.cursor() as cursor:
        for statement in append_only.removal_statements(connection.vendor):
            cursor.execute(statement)
    Entry.objects.filter(seq__gt=saved.seq - 2).delete()
    last = Entry.objects.order_by("seq").last()
    Checkpoint.objects.update(seq=last.seq, digest=last.digest)
    add_entries(audit_checkpoints.MAX_NEW_ENTRIES + 5)
    with pytest.raises(audit_checkpoints.CheckpointMismatch):
        audit_checkpoints.save_checkpoint_if_due(timezone.now())
    assert audit_checkpoints.read_checkpoint(audit_checkpoints.get_path(), home.zone) == saved


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
