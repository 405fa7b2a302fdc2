"""Entries keep the names of objects, and are found by each object that they name (D-204)."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from audit.chain import append_only
from audit.chain.actor import Actor, acting_as
from audit.chain.verification import verify_chain
from audit.entries.subjects import build_rows
from audit.entries.tables import Filter, list_last_entries
from audit.models import Entry, EntryObject
from devices.models import Device
from systemupdates.models import Assignment
from tests.support import factories, schema

pytestmark = pytest.mark.django_db


def test_an_entry_keeps_the_name_that_the_object_had(zone):
    device = factories.device("pc-old")
    entry = Entry.objects.record("release", f"devices.Device:{device.pk}")
    Device.objects.filter(pk=device.pk).update(name="pc-new")
    row = build_rows([Entry.objects.get(seq=entry.seq)])[0]
    assert row.sentence == "The system released device pc-old for re-imaging."
    assert row.about.url == f"/devices/{device.pk}/"
    device.delete()
    row = build_rows([Entry.objects.get(seq=entry.seq)])[0]
    assert row.sentence == "The system released device pc-old for re-imaging."
    assert row.about.url == ""
    assert verify_chain().finding is None


def test_related_objects_are_named(zone):
    server, device = factories.server("ps-07"), factories.device("pc-01")
    update = factories.update(server)
    assignment = factories.assignment(update, device)
    user = factories.user("anna")
    with acting_as(Actor("anna", subject=f"auth.User:{user.pk}")):
        Assignment.objects.transition(assignment, "assigned")
    entry = Entry.objects.latest("seq")
    assert entry.names == {
        f"systemupdates.Assignment:{assignment.pk}": "pc-01",
        f"devices.Device:{device.pk}": "pc-01",
        f"systemupdates.SystemUpdate:{update.pk}": update.name,
        f"auth.User:{user.pk}": "anna",
    }
    for subject in entry.names:
        assert list_last_entries(subject, 5)[0] == entry
        assert entry in Filter(subject=subject).entries()
    assert entry in Filter(q="pc-0").entries()
    assert entry in Filter(kind="systemupdates.Assignment").entries()
    assert entry not in Filter(kind="devices.Device").entries()
    sentence = "anna changed the status of the update of pc-01 from Pending to Update Assigned."
    assert build_rows([entry])[0].sentence == sentence


def test_the_history_has_the_last_entries_and_no_others(zone):
    one, other = factories.device("pc-1"), factories.device("pc-2")
    for number in range(12):
        subject = f"devices.Device:{(one, other)[number % 2].pk}"
        Entry.objects.record("release", subject, note=str(number))
    found = list_last_entries(f"devices.Device:{one.pk}", 3)
    assert [entry.note for entry in found] == ["10", "8", "6"]


def change(sql, *values):
    with connection.cursor() as cursor:
        for statement in append_only.removal_statements(connection.vendor):
            cursor.execute(statement)
        for statement in append_only.object_removal_statements(connection.vendor):
            cursor.execute(statement)
        cursor.execute(sql, values)


@pytest.fixture
def entry(zone):
    device = factories.device("pc-1")
    found = Entry.objects.record("release", f"devices.Device:{device.pk}")
    assert verify_chain().finding is None
    return found


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("UPDATE ledger_entry SET names = '{}' WHERE seq = %s", "was modified"),
        ("UPDATE ledger_entry SET names = NULL WHERE seq = %s", "was modified"),
        ("UPDATE ledger_entryobject SET name = 'x' WHERE entry_id = %s", "is not listed"),
        ("DELETE FROM ledger_entryobject WHERE entry_id = %s", "is not listed"),
    ],
)
def test_changed_names_are_found(entry, sql, problem):
    change(sql, entry.seq)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == entry.seq
    assert problem in finding.problem


def test_names_that_are_added_to_an_entry_of_an_earlier_version_are_found(zone):
    entry = Entry.objects.record("test", "x:1")
    change("UPDATE ledger_entry SET names = NULL WHERE seq = %s", entry.seq)
    stored = Entry.objects.get(seq=entry.seq)
    old = stored.compute_digest()
    change("UPDATE ledger_entry SET digest = %s WHERE seq = %s", old, entry.seq)
    change("UPDATE ledger_checkpoint SET digest = %s", old)
    assert verify_chain().finding is None
    change("UPDATE ledger_entry SET names = '{}' WHERE seq = %s", entry.seq)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.problem == "was modified"


@pytest.mark.parametrize("sql", ["UPDATE ledger_entryobject SET name = 'x'", "DELETE FROM {}"])
def test_the_database_rejects_changes_of_names(entry, sql):
    statement = sql.format("ledger_entryobject")
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert EntryObject.objects.filter(entry=entry).exists()


@pytest.mark.django_db(transaction=True)
def test_entries_of_the_previous_version_stay_valid_through_the_migration(monkeypatch):
    schema.leave_out_squashed(monkeypatch.setattr)
    last = MigrationExecutor(connection).loader.graph.leaf_nodes("ledger")
    entry = Entry.objects.record("test", "x:1")
    MigrationExecutor(connection).migrate([("ledger", "0006_row_macs")])
    try:
        with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
            cursor.execute("UPDATE ledger_entry SET note = 'x'")
    finally:
        MigrationExecutor(connection).migrate(last)
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_entry SET note = 'x'")
    kept = Entry.objects.get(seq=entry.seq)
    assert kept.names is None
