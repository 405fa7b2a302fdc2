"""Entries that devices and strangers cause are limited, and the rest is summarized (D-134)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from administrators.login import delays
from audit.chain import omissions, verification
from audit.models import Checkpoint, Entry, EntryCount, EntryLimit, entries
from certificates.issuance import signing
from certificates.models import Authority, FutureCertificate
from certificates.tasks import schedule
from devices.models import Device
from devices.registration import validation
from systemupdates.models import Replica
from tests.support import factories
from wire import messages, update_messages

LIMIT = entries.MAX_ENTRIES_A_DAY


def record(number: int, source: str = "192.0.2.1", kind: str = "test") -> list[bool]:
    limit = EntryLimit.of_address(source, kind)
    return [Entry.objects.record_limited(limit, "test", "x") for _ in range(number)]


def count(action: str) -> int:
    return Entry.objects.filter(action=action).count()


def next_day() -> int:
    return omissions.record_summaries(timezone.now() + timedelta(days=1, hours=1))


def test_events_beyond_the_limit_are_only_counted(db):
    assert record(LIMIT + 7) == [True] * LIMIT + [False] * 7
    assert count("test") == LIMIT
    assert EntryCount.objects.get().count == LIMIT + 7
    assert verification.verify_chain().finding is None


def test_exactly_one_summary_has_the_count(db):
    record(LIMIT + 312)
    day = timezone.now().date().isoformat()
    assert omissions.record_summaries(timezone.now()) == 0, "the day is not over"
    assert (next_day(), next_day()) == (1, 0)
    summary = Entry.objects.get(action="omitted")
    assert summary.subject == "address:192.0.2.1"
    assert summary.note == f"And 312 more on {day}: Test"
    assert summary.detail == {"kind": "test", "day": day, "count": LIMIT + 312}
    assert not EntryCount.objects.exists()
    assert verification.verify_chain().finding is None


def test_several_summaries_form_a_valid_chain(db):
    for source in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        record(LIMIT + 1, source)
    assert next_day() == 3
    assert verification.verify_chain().finding is None


def test_within_the_limit_there_is_no_summary(db):
    record(LIMIT)
    assert next_day() == 0
    assert count("omitted") == 0
    assert not EntryCount.objects.exists()


def test_kinds_and_sources_are_limited_separately(db):
    record(LIMIT + 1)
    assert record(1, kind="other") == [True]
    assert record(1, source="192.0.2.2") == [True]


def test_there_are_new_entries_on_the_next_day(db):
    record(LIMIT + 1)
    EntryCount.objects.update(day=timezone.now().date() - timedelta(days=1))
    assert record(1) == [True]


def test_many_addresses_share_one_limit(db, monkeypatch):
    monkeypatch.setattr(entries, "MAX_ADDRESSES", 3)
    for number in range(3):
        record(1, f"192.0.2.{number}")
    recorded = [record(1, f"198.51.100.{number}") for number in range(LIMIT + 5)]
    assert recorded == [[True]] * LIMIT + [[False]] * 5
    assert record(1, "192.0.2.1") == [True], "an address that was there before has its own limit"


def test_beyond_the_limit_the_log_is_not_locked(db, monkeypatch, django_assert_max_num_queries):
    record(LIMIT)
    monkeypatch.setattr(Checkpoint.objects, "select_for_update", pytest.fail)
    with django_assert_max_num_queries(7):
        assert record(1) == [False]


@pytest.mark.django_db(transaction=True)
def test_concurrent_events_are_counted_exactly():
    found: list[bool] = []

    def run() -> None:
        try:
            found.extend(record(10))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), sum(found)) == (40, LIMIT)
    assert EntryCount.objects.get().count == 40
    assert verification.verify_chain().finding is None


def test_the_scheduler_records_the_summaries(zone):
    record(LIMIT + 1)
    EntryCount.objects.update(day=timezone.now().date() - timedelta(days=2))
    schedule.schedule_work()
    assert count("omitted") == 1


def log_in(name: str, address: str = "192.0.2.1") -> None:
    given = {"username": name, "password": "wrong"}
    Client().post("/login/", given, REMOTE_ADDR=address)


def test_strangers_cannot_flood_the_log_with_failed_logins(zone, monkeypatch):
    monkeypatch.setattr(delays, "ADDRESS_FAILURES", 1000)
    for number in range(LIMIT + 5):
        log_in(f"nobody-{number}")
    assert count("login-failed") == LIMIT
    person = factories.user("person")
    log_in("person")
    found = Entry.objects.filter(action="login-failed", subject=f"auth.User:{person.pk}")
    assert found.count() == 1, "unknown names do not hide failures of accounts"


def test_all_addresses_of_a_network_share_one_limit(zone, monkeypatch):
    monkeypatch.setattr(delays, "ADDRESS_FAILURES", 1000)
    for number in range(LIMIT + 5):
        log_in(f"nobody-{number}", f"2001:db8:1:2::{number:x}")
    assert count("login-failed") == LIMIT


def test_an_administrator_is_not_limited(zone):
    client = Client()
    client.force_login(factories.user("person"))
    for number in range(LIMIT + 5):
        client.get(f"/configuration/zone/?n={number}")
    for number in range(LIMIT + 5):
        Entry.objects.record("act", f"thing:{number}")
    assert count("act") == LIMIT + 5
    assert not EntryCount.objects.exists()


def test_rejected_csrs_of_a_server_are_limited(zone):
    server = zone.join("as-01", messages.AUTHENTICATION_SATELLITE)
    path = "/zac/v1/certificate"
    before = Entry.objects.count()
    for number in range(3 * LIMIT):
        FutureCertificate.objects.filter(device=server.guid).update(
            state="awaited", csr_pem="", generation=0
        )
        report = update_messages.CsrRequest(error=f"failure {number}")
        assert server.send("POST", path, report).status_code == 202
    assert Entry.objects.count() == before + LIMIT
    assert FutureCertificate.objects.get(device=server.guid).reason == f"failure {3 * LIMIT - 1}"


def test_a_batch_of_rejected_csrs_adds_no_entry(zone):
    server = zone.join("as-01", messages.AUTHENTICATION_SATELLITE)
    Device.objects.filter(pk=server.guid).update(fqdn="not valid")
    pem = FutureCertificate.objects.get(device=server.guid).csr_pem
    FutureCertificate.objects.filter(device=server.guid).update(csr_pem=pem.replace("M", "N", 5))
    before = count("issue")
    assert signing.sign_batch(Authority.objects.current(), now=timezone.now()) == 1
    assert FutureCertificate.objects.get(device=server.guid).state == "create-failed"
    assert count("issue") == before


def test_a_device_that_fails_again_and_again_is_limited_and_its_state_is_stored(zone):
    device = zone.join("pc-01")
    update = factories.update(zone.device(zone.first), state="assigned")
    row = factories.assignment(update, zone.device(device), "assigned")
    before = count("move")
    for attempt in range(1, LIMIT + 6):
        device.report(str(update.pk), messages.DOWNLOADING, attempt)
        device.report(str(update.pk), messages.FAILED, attempt)
    device.report(str(update.pk), messages.ACTIVATED, LIMIT + 6)
    row.refresh_from_db()
    assert row.state == "activated"
    assert count("move") == before + LIMIT


def test_a_content_server_that_fails_again_and_again_is_limited(zone):
    server = zone.join("cs-01", messages.CONTENT_SATELLITE)
    update = factories.update(zone.device(zone.first), state="replicating")
    digest = "a" * 64
    update.files = [{"name": "x", "sha256": digest, "size": 100}]
    update.save()
    replica = Replica.objects.create(update=update, server=zone.device(server), state="pending")
    before = count("move")
    for number in range(LIMIT):
        for error in ("disk full", ""):
            server.refresh(replicas=[update_messages.ReplicaProgress(digest, 10 + number, error)])
    replica.refresh_from_db()
    assert replica.state == "replicating"
    assert count("move") == before + LIMIT


def test_a_device_registers_only_so_often(zone, monkeypatch):
    monkeypatch.setattr(validation, "MAX_REGISTRATIONS", 3)
    device = zone.join("pc-01")
    for _ in range(2):
        answer = device.send("POST", "/zac/v1/register", device.registration())
        assert answer.status_code == 201
        device.secret, device.counter = answer.json()["secret"], 0
    before = Entry.objects.count()
    answer = device.send("POST", "/zac/v1/register", device.registration())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "600")
    assert Entry.objects.count() == before
    assert zone.join("pc-02").id, "other devices are not affected"
