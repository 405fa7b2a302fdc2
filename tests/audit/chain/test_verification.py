"""`manage.py verify_audit` finds changes that were made directly in the database (S-41)."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from audit.chain import append_only
from audit.chain.verification import verify_chain
from audit.models import Checkpoint, Entry
from devices.models import Zone
from devices.witnesses import checkpoints
from tests.support.zone import TestZone
from wire import json_codec
from wire.messages import AuditCheckpoint
from zcc.runtime import audit_checkpoints
from zcc.tasks import save_audit_checkpoint

ENTRY_COUNT = 6


def tamper(sql: str, *values: Any) -> None:
    """Run SQL as the owner of the database can: remove the triggers first."""
    with connection.cursor() as cursor:
        for statement in append_only.removal_statements(connection.vendor):
            cursor.execute(statement)
        cursor.execute(sql, values)


@pytest.fixture
def entries(db: None) -> list[Entry]:
    return [
        Entry.objects.record("act", f"thing:{n}", note=f"entry {n}", detail={"n": n})
        for n in range(1, ENTRY_COUNT + 1)
    ]


def test_an_unmodified_log_is_valid(entries: list[Entry]) -> None:
    found = verify_chain()
    assert found.finding is None
    assert (found.entries, found.seq, found.digest) == (
        ENTRY_COUNT,
        ENTRY_COUNT,
        entries[-1].digest,
    )


def test_an_empty_log_is_valid(db: None) -> None:
    assert verify_chain().finding is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "somebody else"),
        ("address", "10.9.9.9"),
        ("session", "another"),
        ("action", "nothing"),
        ("subject", "thing:99"),
        ("here", "x"),
        ("there", "y"),
        ("note", "changed"),
        ("detail", '{"n": 99}'),
        ("previous", "f" * 64),
        ("digest", "e" * 64),
    ],
)
def test_finds_a_changed_column(entries: list[Entry], column: str, value: str) -> None:
    tamper(f"UPDATE ledger_entry SET {column} = %s WHERE seq = 3", value)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 3


def test_finds_a_changed_time(entries: list[Entry]) -> None:
    tamper("UPDATE ledger_entry SET at = %s WHERE seq = 4", entries[3].at + timedelta(seconds=1))
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 4


def test_finds_an_entry_that_cannot_be_read(entries: list[Entry]) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("a typed column takes no such value")
    tamper("UPDATE ledger_entry SET at = 'yesterday' WHERE seq = 2")
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq <= 2


@pytest.mark.parametrize("seq", [1, 3, ENTRY_COUNT - 1])
def test_finds_a_removed_entry(entries: list[Entry], seq: int) -> None:
    tamper("DELETE FROM ledger_entry WHERE seq = %s", seq)
    finding = verify_chain().finding
    assert finding is not None
    assert (finding.seq, finding.problem) == (seq, "is missing")


def test_finds_reordered_entries(entries: list[Entry]) -> None:
    tamper("UPDATE ledger_entry SET seq = 99 WHERE seq = 2")
    tamper("UPDATE ledger_entry SET seq = 2 WHERE seq = 3")
    tamper("UPDATE ledger_entry SET seq = 3 WHERE seq = 99")
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 2


def insert(entry: Entry, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(entry, name, value)
    entry.digest = entry.compute_digest()
    entry.save(force_insert=True)


def test_finds_an_inserted_entry(entries: list[Entry]) -> None:
    tamper("UPDATE ledger_entry SET seq = seq + 100 WHERE seq > 3")
    tamper("UPDATE ledger_entry SET seq = seq - 99 WHERE seq > 3")
    insert(entries[2], seq=4, previous=entries[2].digest)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 5, "the entry after the inserted one has the hash of another"


def test_finds_an_entry_before_the_first(entries: list[Entry]) -> None:
    insert(entries[0], seq=0)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 0


def test_finds_an_entry_after_the_checkpoint(entries: list[Entry]) -> None:
    insert(entries[-1], seq=ENTRY_COUNT + 1, previous=entries[-1].digest)
    finding = verify_chain().finding
    assert finding is not None
    assert (finding.seq, finding.problem) == (ENTRY_COUNT + 1, "is after the end of the chain")


def test_finds_a_truncated_log(entries: list[Entry]) -> None:
    tamper("DELETE FROM ledger_entry WHERE seq > 4")
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 5
    assert "truncated" in finding.problem


def test_finds_an_emptied_log(entries: list[Entry]) -> None:
    tamper("DELETE FROM ledger_entry")
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 1


def test_finds_a_checkpoint_with_another_digest(entries: list[Entry]) -> None:
    Checkpoint.objects.update(digest="d" * 64)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == ENTRY_COUNT


def forge_from(seq: int, last: int) -> None:
    """Change an entry and recalculate all later digests and the checkpoint."""
    tamper("UPDATE ledger_entry SET note = 'nothing happened' WHERE seq = %s", seq)
    previous = "" if seq == 1 else Entry.objects.get(seq=seq - 1).digest
    for number in range(seq, last + 1):
        entry = Entry.objects.get(seq=number)
        entry.previous = previous or entry.previous
        previous = entry.compute_digest()
        sql = "UPDATE ledger_entry SET previous = %s, digest = %s WHERE seq = %s"
        tamper(sql, entry.previous, previous, number)
    Checkpoint.objects.update(seq=last, digest=previous)


def test_only_a_saved_checkpoint_detects_a_recalculated_chain(entries: list[Entry]) -> None:
    forge_from(3, ENTRY_COUNT)
    assert verify_chain().finding is None
    finding = verify_chain(5, entries[4].digest).finding
    assert finding is not None
    assert finding.seq == 5


def test_only_a_saved_checkpoint_detects_truncation_together_with_the_checkpoint(
    entries: list[Entry],
) -> None:
    tamper("DELETE FROM ledger_entry WHERE seq > 3")
    Checkpoint.objects.update(seq=3, digest=entries[2].digest)
    assert verify_chain().finding is None
    finding = verify_chain(5, entries[4].digest).finding
    assert finding is not None
    assert finding.seq == 4


@pytest.fixture
def saved(zone: TestZone, tmp_path: Path, settings: Any) -> Path:
    settings.ZCC_HOME = tmp_path / "home"
    for number in range(5):
        Entry.objects.record("act", f"thing:{number}")
    save_audit_checkpoint()
    return audit_checkpoints.get_path()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


def fails(*arguments: str) -> str:
    out = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("verify_audit", *arguments, stdout=out)
    assert caught.value.code == 1
    return out.getvalue()


def test_the_command_reports_the_number_of_entries_and_the_checkpoint(saved: Path) -> None:
    count = Entry.objects.count()
    assert f"{count} entries, verified against the checkpoint at entry {count}." in run()


def test_saving_a_checkpoint_records_no_entry(saved: Path) -> None:
    assert (
        audit_checkpoints.read_checkpoint(saved, Zone.objects.get_zone()).seq
        == Entry.objects.count()
    )


def test_the_command_exits_with_1_and_names_the_first_invalid_entry(saved: Path) -> None:
    Entry.objects.record("act", "thing:1")
    tamper("UPDATE ledger_entry SET note = 'x' WHERE seq = 2")
    assert "Entry 2 was modified." in fails()


def test_the_command_compares_the_log_with_the_saved_checkpoint(saved: Path) -> None:
    last = Entry.objects.count()
    forge_from(1, last)
    text = fails()
    assert f"Audit entry {last}, an entry before it" in text
    assert "The checkpoint file has a different digest." in text
    saved.unlink()
    assert "is intact" in run()


def cut(last: int) -> None:
    tamper("DELETE FROM ledger_entry WHERE seq > %s", last)
    Checkpoint.objects.update(seq=last, digest=Entry.objects.get(seq=last).digest)


def test_the_command_says_which_entries_are_missing_and_what_to_do(saved: Path) -> None:
    last = Entry.objects.count()
    cut(last - 3)
    text = fails()
    assert f"Audit entries {last - 2} to {last} are missing. The checkpoint file has" in text
    assert f"The last entry in the database is {last - 3}." in text
    assert '--accept "REASON"' in text


def test_the_command_names_the_device_that_has_the_digest(zone: TestZone) -> None:
    device = zone.join("pc-01")
    for number in range(5):
        Entry.objects.record("act", f"thing:{number}")
    given = device.refresh()["audit_checkpoint"]
    cut(given["seq"] - 2)
    checkpoints.clear_cache()
    kept = json_codec.build(AuditCheckpoint, given, "checkpoint")
    device.refresh(audit_checkpoint=kept)
    assert f"pc-01 has the digest of entry {given['seq']}." in fails()


def test_a_loss_is_accepted_with_a_reason(saved: Path) -> None:
    last = Entry.objects.count()
    cut(last - 3)
    for reason in ("", " "):
        with pytest.raises(CommandError, match="A reason is required"):
            run("--accept", reason)
    assert "This loss has been accepted (number 1)" in run("--accept", "restored on Sunday")
    entry = Entry.objects.get(action="accept-loss")
    assert entry.note == "restored on Sunday"
    assert entry.actor.startswith("system user ")
    assert "is intact" in run()
    save_audit_checkpoint()
    assert "verified against the checkpoint" in run()


def test_nothing_is_accepted_if_nothing_is_missing(saved: Path) -> None:
    with pytest.raises(CommandError, match="No entries are missing"):
        run("--accept", "why not")
    assert not Entry.objects.filter(action="accept-loss").exists()


def test_a_modified_entry_cannot_be_accepted(saved: Path) -> None:
    tamper("UPDATE ledger_entry SET note = 'x' WHERE seq = 2")
    assert "Entry 2 was modified." in fails("--accept", "why not")


def test_a_log_with_newer_entries_is_valid(saved: Path) -> None:
    Entry.objects.record("act", "thing:1")
    assert "is intact" in run()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b'"payload": "', b'"payload": "A'),
        lambda data: data[: len(data) // 2],
        lambda _: b"",
        lambda _: b"[]",
        lambda data: json.dumps({**json.loads(data), "signature": "AA=="}).encode(),
        lambda data: json.dumps({**json.loads(data), "payload_type": "x"}).encode(),
    ],
    ids=["payload", "half", "empty", "list", "signature", "type"],
)
def test_a_modified_checkpoint_file_is_rejected(
    saved: Path, damage: Callable[[bytes], bytes]
) -> None:
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(CommandError) as caught:
        run()
    assert caught.value.returncode == 1


def test_a_missing_checkpoint_file_is_an_error(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Cannot read .*: No such file"):
        run("--head", str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("command", "option"),
    [("export_audit_checkpoint", "--checkpoint"), ("export_audit_head", "--head")],
    ids=["current names", "names of the previous release"],
)
def test_a_checkpoint_can_be_saved_to_another_file(
    zone: TestZone, tmp_path: Path, settings: Any, command: str, option: str
) -> None:
    settings.ZCC_HOME = tmp_path / "home"
    target = tmp_path / "elsewhere" / "head.json"
    call_command(command, "--to", str(target), stdout=StringIO())
    assert audit_checkpoints.read_checkpoint(target, zone.zone).at <= timezone.now().timestamp()
    assert "verified against the checkpoint at entry" in run(option, str(target))
