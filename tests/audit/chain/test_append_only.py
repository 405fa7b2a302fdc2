"""The ledger is append-only in the database itself: no trace, no act (S-40 to S-44)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit.chain import actor
from audit.models import GENESIS_DIGEST, Checkpoint, Entry
from certificates.issuance import signing
from certificates.models import (
    Authority,
    CrossCertificate,
    FutureCertificate,
    IssuedCertificate,
    Operation,
)
from certificates.operations import cancellation, preparation
from devices.models import Device, Zone
from systemupdates.models import Assignment, SystemUpdate, TrustNotice
from tests.support import walkthrough
from tests.support.zone import TestZone
from wire import messages

EVERYTHING: tuple[Any, ...] = (
    *(Authority, CrossCertificate, FutureCertificate, IssuedCertificate, Operation, Device, Zone),
    *(Assignment, TrustNotice, SystemUpdate, Entry, Checkpoint),
)


def execute(sql: str, *values: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


def rows() -> dict[str, list[dict[str, Any]]]:
    return {m.__name__: list(m._default_manager.order_by("pk").values()) for m in EVERYTHING}


@pytest.fixture
def entries(db: None) -> list[Entry]:
    return [Entry.objects.record("act", f"thing:{number}") for number in range(3)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entry SET note = 'nothing happened' WHERE seq = 2",
        "UPDATE ledger_entry SET seq = 9 WHERE seq = 3",
        "DELETE FROM ledger_entry WHERE seq = 3",
        "DELETE FROM ledger_entry",
    ],
)
def test_the_database_refuses_to_change_or_remove_an_entry(entries: list[Entry], sql: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"):
        execute(sql)
    assert list(Entry.objects.values_list("seq", flat=True)) == [1, 2, 3]


def test_the_models_cannot_change_an_entry_either(entries: list[Entry]) -> None:
    entries[1].note = "nothing happened"
    with pytest.raises(DatabaseError), transaction.atomic():
        entries[1].save()
    with pytest.raises(DatabaseError), transaction.atomic():
        Entry.objects.all().delete()


def test_entries_are_numbered_without_a_gap_and_chained(entries: list[Entry]) -> None:
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [entry.previous for entry in entries] == [
        GENESIS_DIGEST,
        entries[0].digest,
        entries[1].digest,
    ]
    assert Checkpoint.objects.get().digest == entries[2].digest


def test_an_act_that_fails_leaves_no_entry_and_no_gap(entries: list[Entry]) -> None:
    def act() -> None:
        with transaction.atomic():
            Entry.objects.record("act", "thing:4")
            raise LookupError

    with pytest.raises(LookupError):
        act()
    assert Entry.objects.record("act", "thing:5").seq == 4


def test_an_entry_says_who_acted_and_from_where(db: None) -> None:
    with actor.acting_as(actor.Actor("alice", "10.0.0.1", "digest")):
        entry = Entry.objects.record("act", "thing:1")
    assert (entry.actor, entry.address, entry.session) == ("alice", "10.0.0.1", "digest")
    assert Entry.objects.record("act", "thing:1").actor == "system"


@pytest.fixture
def dead_ledger() -> Callable[[], None]:
    """Make the insert of every further entry fail, as a full disk or a revoked right would."""

    def die() -> None:
        if connection.vendor == "postgresql":
            execute(
                "CREATE FUNCTION dead() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'injected'; END $$"
            )
            execute(
                "CREATE TRIGGER dead BEFORE INSERT ON ledger_entry "
                "FOR EACH ROW EXECUTE FUNCTION dead()"
            )
            return
        execute(
            "CREATE TRIGGER dead BEFORE INSERT ON ledger_entry "
            "BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )

    # The transaction of the test takes the trigger with it.
    return die


def refused(act: Callable[[], object]) -> None:
    before = rows()
    with pytest.raises(DatabaseError, match="injected"), transaction.atomic():
        act()
    assert rows() == before


def test_without_a_trace_nothing_is_started(zone: TestZone, dead_ledger: Any) -> None:
    dead_ledger()
    refused(walkthrough.remint_ca)


def test_without_a_trace_nothing_is_cancelled(zone: TestZone, dead_ledger: Any) -> None:
    operation = walkthrough.remint_ca()
    dead_ledger()
    refused(lambda: cancellation.cancel(operation, now=timezone.now()))


def test_without_a_trace_no_ca_is_made_and_no_manifest_signed(
    zone: TestZone, dead_ledger: Any
) -> None:
    operation = walkthrough.remint_ca()
    dead_ledger()
    refused(lambda: preparation.prepare(operation, now=timezone.now()))


def test_without_a_trace_no_certificate_is_issued(zone: TestZone, dead_ledger: Any) -> None:
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    dead_ledger()
    authority = Authority.objects.current()
    with pytest.raises(DatabaseError, match="injected"), transaction.atomic():
        signing.sign_batch(authority, now=timezone.now())
    assert FutureCertificate.objects.get().state == "awaited"
    assert not FutureCertificate.objects.exclude(chain_pem="").exists()


def test_without_a_trace_no_device_registers(zone: TestZone, dead_ledger: Any) -> None:
    dead_ledger()
    refused(lambda: zone.join("pc-01"))
