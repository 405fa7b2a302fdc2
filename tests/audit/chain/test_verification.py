"""`manage.py verify_audit` finds what was done to the ledger behind the product's back (S-41)."""

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
from tests.support.zone import TestZone
from zcc.runtime import audit_checkpoints
from zcc.tasks import save_audit_checkpoint

LINES = 6


def tamper(sql: str, *values: Any) -> None:
    """Act as the owner of the database would: the guard is taken away first."""
    with connection.cursor() as cursor:
        for statement in append_only.removal_statements(connection.vendor):
            cursor.execute(statement)
        cursor.execute(sql, values)


@pytest.fixture
def lines(db: None) -> list[Entry]:
    return [
        Entry.objects.record("act", f"thing:{n}", note=f"line {n}", detail={"n": n})
        for n in range(1, LINES + 1)
    ]


def test_a_ledger_nobody_touched_is_whole(lines: list[Entry]) -> None:
    found = verify_chain()
    assert found.finding is None
    assert (found.entries, found.seq, found.digest) == (LINES, LINES, lines[-1].digest)


def test_an_empty_ledger_is_whole(db: None) -> None:
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
def test_it_finds_a_changed_column(lines: list[Entry], column: str, value: str) -> None:
    tamper(f"UPDATE ledger_entry SET {column} = %s WHERE seq = 3", value)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 3


def test_it_finds_a_changed_time(lines: list[Entry]) -> None:
    tamper("UPDATE ledger_entry SET at = %s WHERE seq = 4", lines[3].at + timedelta(seconds=1))
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 4


def test_it_finds_a_line_that_cannot_be_read_any_more(lines: list[Entry]) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("a typed column takes no such value")
    tamper("UPDATE ledger_entry SET at = 'yesterday' WHERE seq = 2")
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq <= 2


@pytest.mark.parametrize("seq", [1, 3, LINES - 1])
def test_it_finds_a_removed_line(lines: list[Entry], seq: int) -> None:
    tamper("DELETE FROM ledger_entry WHERE seq = %s", seq)
    finding = verify_chain().finding
    assert finding is not None
    assert (finding.seq, finding.problem) == (seq, "is missing")


def test_it_finds_lines_that_changed_places(lines: list[Entry]) -> None:
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


def test_it_finds_an_inserted_line(lines: list[Entry]) -> None:
    tamper("UPDATE ledger_entry SET seq = seq + 100 WHERE seq > 3")
    tamper("UPDATE ledger_entry SET seq = seq - 99 WHERE seq > 3")
    insert(lines[2], seq=4, previous=lines[2].digest)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 5, "the line after the inserted one was chained to another"


def test_it_finds_a_line_before_the_first(lines: list[Entry]) -> None:
    insert(lines[0], seq=0)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 0


def test_it_finds_a_line_behind_the_head(lines: list[Entry]) -> None:
    insert(lines[-1], seq=LINES + 1, previous=lines[-1].digest)
    finding = verify_chain().finding
    assert finding is not None
    assert (finding.seq, finding.problem) == (LINES + 1, "is after the end of the chain")


def test_it_finds_a_cut_off_end(lines: list[Entry]) -> None:
    tamper("DELETE FROM ledger_entry WHERE seq > 4")
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 5
    assert "cut off" in finding.problem


def test_it_finds_an_emptied_ledger(lines: list[Entry]) -> None:
    tamper("DELETE FROM ledger_entry")
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == 1


def test_it_finds_a_head_that_says_something_else(lines: list[Entry]) -> None:
    Checkpoint.objects.update(digest="d" * 64)
    finding = verify_chain().finding
    assert finding is not None
    assert finding.seq == LINES


def forge_from(seq: int, last: int) -> None:
    """Change a line and reckon everything after it anew, the head as well."""
    tamper("UPDATE ledger_entry SET note = 'nothing happened' WHERE seq = %s", seq)
    previous = "" if seq == 1 else Entry.objects.get(seq=seq - 1).digest
    for number in range(seq, last + 1):
        entry = Entry.objects.get(seq=number)
        entry.previous = previous or entry.previous
        previous = entry.compute_digest()
        sql = "UPDATE ledger_entry SET previous = %s, digest = %s WHERE seq = %s"
        tamper(sql, entry.previous, previous, number)
    Checkpoint.objects.update(seq=last, digest=previous)


def test_a_chain_reckoned_anew_deceives_all_but_a_kept_head(lines: list[Entry]) -> None:
    forge_from(3, LINES)
    assert verify_chain().finding is None
    finding = verify_chain(5, lines[4].digest).finding
    assert finding is not None
    assert finding.seq == 5


def test_an_end_cut_off_with_its_head_deceives_all_but_a_kept_head(lines: list[Entry]) -> None:
    tamper("DELETE FROM ledger_entry WHERE seq > 3")
    Checkpoint.objects.update(seq=3, digest=lines[2].digest)
    assert verify_chain().finding is None
    finding = verify_chain(5, lines[4].digest).finding
    assert finding is not None
    assert finding.seq == 4


@pytest.fixture
def kept(zone: TestZone, tmp_path: Path, settings: Any) -> Path:
    settings.ZCC_HOME = tmp_path / "home"
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


def test_the_command_says_how_much_it_read(kept: Path) -> None:
    assert f"{Entry.objects.count()} lines, compared with the head kept" in run()


def test_keeping_the_head_writes_no_line_of_its_own(kept: Path) -> None:
    assert (
        audit_checkpoints.read_checkpoint(kept, Zone.objects.get_zone()).seq
        == Entry.objects.count()
    )


def test_the_command_ends_with_1_and_names_the_first_bad_line(kept: Path) -> None:
    Entry.objects.record("act", "thing:1")
    tamper("UPDATE ledger_entry SET note = 'x' WHERE seq = 2")
    assert "Line 2 was changed." in fails()


def test_the_command_finds_what_only_the_kept_head_tells(kept: Path) -> None:
    last = Entry.objects.count()
    forge_from(1, last)
    assert f"Line {last} is another one" in fails()
    kept.unlink()
    assert "is whole" in run()


def test_a_ledger_that_grew_since_is_whole(kept: Path) -> None:
    Entry.objects.record("act", "thing:1")
    assert "is whole" in run()


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
def test_a_kept_head_that_was_changed_is_refused(
    kept: Path, damage: Callable[[bytes], bytes]
) -> None:
    kept.write_bytes(damage(kept.read_bytes()))
    with pytest.raises(CommandError) as caught:
        run()
    assert caught.value.returncode == 1


def test_a_named_head_that_is_not_there_is_an_error(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run("--head", str(tmp_path / "none.json"))


def test_the_head_can_be_kept_elsewhere(zone: TestZone, tmp_path: Path, settings: Any) -> None:
    settings.ZCC_HOME = tmp_path / "home"
    target = tmp_path / "elsewhere" / "head.json"
    call_command("export_audit_head", "--to", str(target), stdout=StringIO())
    assert audit_checkpoints.read_checkpoint(target, zone.zone).at <= timezone.now().timestamp()
    assert "compared with" in run("--head", str(target))
