"""A backup of a CA with many certificates can be restored (D-342)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.authority import key_jobs, key_operations
from certificates.models import AcmeCertificate, Authority, IssuedCertificate, VaultJob
from certificates.operations.states import JobState
from pki.backup import archive, backup
from tests.support import hosts

PHRASE = "seven quiet lakes"


@pytest.fixture(autouse=True)
def _quick_kdf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "SCRYPT_N", archive.ALLOWED_SCRYPT_N[0])


def back_up() -> VaultJob:
    job = key_operations.back_up(PHRASE, by=None)
    key_jobs.run(job, now=timezone.now())
    job.refresh_from_db()
    return job


def list_issued(job: VaultJob) -> list[dict[str, str]]:
    """Return the list of issued certificates in a backup, after reading all of it."""
    data = bytes(job.result)
    assert len(data) <= archive.MAX_FILE <= key_operations.MAX_BACKUP_SIZE
    found = backup.read_backup(data, PHRASE)
    assert len(found.issued_jsonl) <= archive.MAX_ISSUED
    return [json.loads(line) for line in found.issued_jsonl.splitlines()]


def test_a_backup_after_many_certificates_can_be_read_and_lists_the_newest(zone: Any) -> None:
    authority = Authority.objects.current()
    long = "x" * 500
    rows = [
        IssuedCertificate(authority=authority, serial=f"{number:x}", purpose="server", subject=long)
        for number in range(0xF000, 0xF000 + 16_000)
    ]
    IssuedCertificate.objects.bulk_create(rows, batch_size=2000)
    job = back_up()
    assert job.state == JobState.DONE
    found = list_issued(job)
    assert found[-1]["serial"] == rows[-1].serial
    assert 5_000 < len(found) < len(rows)
    assert [row["serial"] for row in found] == [row.serial for row in rows[-len(found) :]]


def test_a_backup_lists_no_certificate_that_has_expired(zone: Any) -> None:
    expired, valid = hosts.issue("old.hosts.example"), hosts.issue("new.hosts.example")
    past = timezone.now() - timedelta(days=1)
    AcmeCertificate.objects.filter(pk=expired.pk).update(not_after=past)
    digests = [row["sha256"] for row in list_issued(back_up())]
    assert valid.digest in digests
    assert expired.digest not in digests
    assert len(digests) == IssuedCertificate.objects.count() - 1


def test_no_backup_is_reported_that_could_not_be_restored(
    zone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_PAYLOAD", 2000)
    job = back_up()
    assert job.state == JobState.FAILED
    assert bytes(job.result) == b""
    assert "Restore CA would reject it" in job.reason
    assert "backups of the zone" in job.action
